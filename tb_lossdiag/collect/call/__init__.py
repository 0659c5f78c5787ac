"""A call of `add_diagnostics`."""
