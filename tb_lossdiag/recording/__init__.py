"""Samples in, records in the event file."""
