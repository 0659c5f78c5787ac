"""What the modules do in a forward pass."""
