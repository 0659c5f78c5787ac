"""A call of `add_diagnostics`.

In reading order:

- `call`: one call of `add_diagnostics`: checked, then measured
- `plain_loss`: the call that most trainings make at every step: a loss, perhaps its terms, and nothing else
- `arguments`: checks of what users pass to `add_diagnostics`; every error names the argument
- `call_steps`: which step a call of `add_diagnostics` is of: as the user numbers it, or as steps are counted
- `evaluation_tags`: ordinary scalars that say that a model was evaluated
- `batch_rows`: which rows of the data the newest steps were taken with; said of those at which something broke
- `manual`: what users ask for themselves: check-ups of a hand-written loop, custom losses, decompositions of the loss
- `reach`: which watched models each term of a loss reaches, as far as its graph shows
- `decompose`: what each term of the loss asks of the parameters: gradient norms and the angles between them
"""
