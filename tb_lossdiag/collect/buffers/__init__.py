"""What waits on its device for the record."""
