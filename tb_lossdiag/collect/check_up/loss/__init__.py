"""How the loss function is called."""
