"""One run as a file to hand on: its records, and nothing that is not allowed.

In reading order:

- `names`: names of layers, losses and folders as neutral ones, the same for the same
- `file`: the file: arrays and a description, never code
"""
