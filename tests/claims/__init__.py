"""Reads what findings say back against the records that they were made from.

In reading order:

- `sentences`: a message as clauses with a place for each value
- `places`: what a value claims to be, from the words around it: a step, a share, a count, a factor,
  something measured
- `ranges`: what was recorded, and what rules derive of it, as a lowest and a highest value per record
- `relations`: what two values of a clause claim of each other: fell from, rose to, times, of, above
- `phrases`: what is claimed without a number: it stays, it broke, it was learned
- `counts`: how many of a thing there can be
- `check`: all of it, for every finding of a run
"""
