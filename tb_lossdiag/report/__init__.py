"""Turns a diagnosis into what people and programs read."""
