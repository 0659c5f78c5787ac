"""Pure functions from torch objects to records; values stay on their device until the writer copies them once.

In reading order:

- `diagnostics`: everything the writer observes: calls of `add_diagnostics`, clips and watched optimizers, on their way to the recorder
- `call`: a call of `add_diagnostics`
- `watch`: an optimizer's steps, through its public hooks
- `probes`: what a copy of the model answers when its input is changed
- `check_up`: the check-up: how a training step is put together, seen from inside for one step at a time
- `ranks`: data-parallel ranks: what they must add up, whether they have parted
- `takeover`: what writers that were killed left in tail files becomes records, before the next writer in the folder has any of its own
- `buffers`: what waits on its device for the record
- `clips`: clips: the act, and what became of it
- `state`: what is read of torch's objects
- `guard`: keeps a failure of ours out of the user's training
- `unrest`: what disturbs the calm of a training: who relies on nothing having happened looks at one number
- `unseen`: keeps what is computed here out of the user's modes, caches and counters
"""
