"""What LD623 says."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Text

STANDS = Text(
    "A second network began as a copy of {name} and is the same to the bit in all {checks} check-ups up to step {step}, while the trained one has moved by {percent}% of its size: it is never updated."
)
STANDS_ADVICE = Text("""A target network or an average of the weights must follow the network that is trained, by a copy now and then or a little after each step:

```python
with torch.no_grad():
    for slow, fast in zip(target_model.parameters(), model.parameters()):
        slow.lerp_(fast, 0.005)
```

Look whether that line is reached at all (a condition on the step that never holds, an `update()` that nobody calls), and whether it is
this copy that is updated. A reference that is to stay, as in preference tuning, is right as it is: accept the finding in
`lossdiag.toml`.""")
WRITTEN = Text(
    "A second network that is shaped like {name} has been written {times} times by step {step} and is the same to the bit in all {checks} check-ups, while the trained one has moved by {percent}% of its size: what is written to it is its own state."
)
WRITTEN_ADVICE = Text("""Look at the line that updates the second network: both sides may be the same network, or the share that is taken over is 0.

```python
target_model.load_state_dict(model.state_dict())  # not target_model.state_dict()
```""")
LAGS = Text(
    "A second network that is called beside {name} has moved by {share}% of what the trained one has by step {step}, and the validation loss is still {validation}, while the training loss fell from {start} to {train}: an average that is too slow for so few steps."
)
LAGS_ADVICE = Text("""An average of decay d remembers 1 / (1 - d) steps: 0.9999 remembers ten thousand. What is validated then is still the beginning. Let the decay grow with the steps, or
choose it by the length of the training:

```python
decay = min(0.9999, (1 + step) / (10 + step))
with torch.no_grad():
    for slow, fast in zip(target_model.parameters(), model.parameters()):
        slow.lerp_(fast, 1 - decay)
```""")
FORGETS = Text(
    "A second network that is shaped like {name} follows it, and has moved by {share}% of what the trained one has by step {step}; what its batch normalisation remembers is the same to the bit in all {checks} check-ups, and by now {apart} standard deviations from what the trained one's does."
)
FORGETS_ADVICE = Text("""Means and variances of batch normalisation are buffers, which `parameters()` leaves out. Copy them as well, for in eval() they are what counts:

```python
with torch.no_grad():
    for slow, fast in zip(target_model.parameters(), model.parameters()):
        slow.lerp_(fast, 0.005)
    for slow, fast in zip(target_model.buffers(), model.buffers()):
        slow.copy_(fast)
```

`torch.optim.swa_utils.AveragedModel(model, use_buffers=True)` does so, and `update_bn(loader, averaged)` counts them anew at the end.""")
EQUAL = Text(
    "A second network has been the same as {name} in all {checks} check-ups up to step {step}, while both have moved by {percent}% of their size: it is a copy of the moment and no second opinion."
)
EQUAL_ADVICE = Text("""Targets that come from a network which changes with every step chase themselves. Copy less often, or by a small share:

```python
if step % 100 == 0:
    target_model.load_state_dict(model.state_dict())
```

An average with a decay of 0, or a `tau` of 1, is such a copy.""")
AT_ONCE = Text(
    "A second network that is shaped like {name} follows it at once: when it is looked at it is no further from it than {behind} times what the last step moved, in all {checks} check-ups up to step {step}, while the trained one has moved by {percent}% of its size: an average of hardly more than the newest weights."
)
AT_ONCE_ADVICE = Text("""An average keeps nearly all of what it had and takes a little of the new weights. Look which of both the decay stands at, and whether something
else than asked for has been put into it:

```python
decay = 0.99
with torch.no_grad():
    for slow, fast in zip(target_model.parameters(), model.parameters()):
        slow.lerp_(fast, 1 - decay)  # the share of the new weights, not of the old ones
```

`slow.lerp_(fast, decay)` and `decay * fast + (1 - decay) * slow` are the wrong way round.""")
