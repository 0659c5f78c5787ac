"""What is read of torch's objects."""
