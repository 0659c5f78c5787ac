"""LD607's words: how a schedule does not fit its loop, and what to do."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Text

DEAD = Text(
    "The learning rate fell from {peak} to {low} by step {at} and did not come back, it ends at {end}: in the last {percent}% of the run steps are next to nothing."
)
DEAD_TOO_SOON = Text(
    "{dead} It was cut {cuts} times while the run was validated {validations} times, so it waits for single batches, whose losses differ by chance, and most of the loss at the start is left."
)
WAVES = Text(
    "The learning rate of a cosine schedule came back up {returns} times, to {peak}: the schedule is stepped far beyond its length."
)
EARLY = Text(
    "`scheduler.step()` came before the first `optimizer.step()`, at step {at}: the first learning rate of the schedule was never used."
)
NEEDLESS = Text(
    "The rate that waits for a plateau was cut {cuts} times by step {at}, and each time the validation loss had just reached its lowest value so far: it fell from {first} to {last}."
)
RISING = Text(
    "The rate that waits for a plateau was cut {cuts} times by step {at}, and each time the accuracy that was validated had just reached its highest value so far, and the validation loss its lowest: the accuracy rose from {first} to {last}."
)
WARMING = Text(
    "The learning rate has risen since step {first}, to {rate} at step {at}; by the end of the training, {planned} steps, it will have come to {percent}% of {full}, what the schedule warms up to."
)
NEVER = Text(
    "There is a {scheduler}, but its `step()` was never called: the learning rate is {rate} from step {first} to step {at}, over {validations} validations."
)
SET_BACK = Text(
    "The learning rate had come down to {low}, and at step {at} it leapt back to {high}{worse}: a {scheduler} only falls, so it was made anew, or the rate was written over."
)
AGAIN = Text(
    "The run was resumed at step {step} with the state of its optimizer, whose rate had come down to {low}, and from there the rate went through the same values as from its first step on, up to {high}: the schedule was not resumed, it began anew. It is {end} at step {last}."
)
OVERWRITTEN = Text(
    "A {writer} and a {other} move the rate of one optimizer: the {writer} makes each rate of the first one, and so writes over what the {other} has made of it. It is {rate} at step {at}."
)
BELOW = Text(
    "The learning rate of {peak} went down through 0 at step {first} and was {lowest} at its lowest, up to step {last}: since then each step goes up the loss, not down."
)
NOT_BELOW = Text("""The plan ends before the training does. Count it in what the scheduler is stepped by, and keep what goes on from 0 at 0:

```python
total = epochs * len(loader)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / total))
```

`LinearLR` and `PolynomialLR` stay at their end.""")
ONE_PLAN = Text("""One after the other is one schedule:

```python
warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.02, total_iters=50)
then = torch.optim.lr_scheduler.MultiStepLR(optimizer, [150, 250])
scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, then], milestones=[50])
```

If both are to work together, both have to multiply: `LinearLR` and not `LambdaLR`, in a `ChainedScheduler`.""")
SAME = Text("")
WORSE = Text(", and the loss rose from {before} to {after}")
PLATEAU = Text("""Step it with a loss that says how far the training is, once for each validation:

```python
for epoch in range(epochs):
    train_one_epoch(model, optimizer)
    scheduler.step(validate(model))  # not scheduler.step(loss) after each batch
```

`min_lr=` keeps the rate from coming to nothing.""")
RESTORE = Text("""Making a schedule writes its first rate into the optimizer. Where a training is taken up again, make both first, then load both:

```python
saved = dict(optimizer=optimizer.state_dict(), scheduler=scheduler.state_dict())
optimizer.load_state_dict(saved["optimizer"])
scheduler.load_state_dict(saved["scheduler"])
```

A second round at the full rate, if it is meant, needs a second schedule that ends as low as the first.""")
STEP = Text("""A scheduler does nothing by itself. Step it where its plan counts, once per epoch or once per batch:

```python
for epoch in range(epochs):
    for batch in loader:
        ...
        optimizer.step()
    scheduler.step()  # of a rate that waits for a plateau: scheduler.step(validation_loss)
```""")
SHORTER = Text("""The warm-up counts optimizer steps, not samples or batches, and is to be a small part of the training:

```python
total = {planned}  # steps of this training
warmup = total // 20
scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup)
```

Transformers: `warmup_steps` of at most a tenth of `max_steps`.""")
MODE = Text("""`ReduceLROnPlateau` takes each better value for a worse one. A loss is to fall, an accuracy to rise:

```python
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min")
scheduler.step(validation_loss)
```""")
LENGTH = Text("""A schedule counts the calls of its `step()`, so its length must be in the same unit. Either step it once per epoch, or give its
length in steps:

```python
total = epochs * len(loader)  # {steps} steps were recorded
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total)
for batch in loader:
    ...
    optimizer.step()
    scheduler.step()
```{decay}""")
DECAY = Text(
    "\n\nA decay meant per epoch needs the root when it is stepped per batch: `gamma ** (1 / len(loader))`."
)
ORDER = Text("""Step the optimizer first:

```python
optimizer.step()
scheduler.step()
```""")
