"""Clips: the act, and what became of it."""
