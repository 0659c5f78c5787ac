"""The same training told otherwise: what changes its records and must not change what is said of it.

In reading order:

- `recording`: what a busier, quicker or slower machine would have recorded
- `units`: a loss or inputs in other units, other names
- `verdicts`: what is said of a run, and of what it was turned into
"""
