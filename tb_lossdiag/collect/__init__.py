"""Pure functions from torch objects to records; values stay on their device until the writer copies them once."""
