"""What LD510 says, and how it writes its numbers."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.diagnosis.rule import Text, short_number
from tb_lossdiag.records import Doubles

_HARMLESS = Text("")

INPUT = Text(
    "The model's input{model} has mean {mean} and standard deviation {std}; it learns best from values around 0 and 1{harm}."
)
BESIDE = Text(
    "The numbers that the model{model} is given beside indices have mean {mean} and standard deviation {std}; it learns best from values around 0 and 1{harm}."
)
TINY_INPUT = Text(
    "The model's input{model} has mean {mean} and standard deviation {std}: beside its own biases the model hardly sees it{harm}."
)
FEATURES = Text(
    "The features of the model's input{model} differ by a factor of {ratio} in their spread{harm}."
)
TARGET = Text(
    "The targets of `{call}` have mean {mean} and standard deviation {std}; an output begins around 0 and 1{harm}."
)
OFF = Text(", and the first loss was {times} times that of a constant answer")
STUCK = Text(", and the loss has hardly fallen")
PIXELS = Text("; its largest is {largest}, as of pixels that nobody has scaled")
BROKE = Text(", and the loss became NaN or infinite")
CLIPPED = Text(", and the clip leaves {share} of each gradient")
ENDS = Text(", and {share}% of the outputs of `{name}` behind the first layer lie at its ends")
OUTPUTS = Text(
    "One of the outputs that `{call}` adds up spreads a hundred times as much as others, or more: of its variance {large}% are left, of theirs {small}% or more, in the last {checks} check-ups. One loss of all outputs hardly sees the small ones."
)
OUTPUTS_ADVICE = Text("""Standardise each output by its own mean and deviation, both of the training set, and turn predictions back afterwards:

```python
mean, std = target.mean(0), target.std(0)  # of the training targets: of each column, not of all numbers together
loss = torch.nn.functional.mse_loss(output, (target - mean) / std)
```""")
INPUT_ADVICE = Text("""Standardise with numbers of the training set, and use the same ones in validation:

```python
mean, std = x_train.mean(0), x_train.std(0).clamp_min(1e-6)  # per feature; of this run's input as a whole: {mean} and {std}
x = (x - mean) / std
```

Images of 0 to 255: divide by 255, once (a processor of images may do so by itself). What spans orders of magnitude: take the logarithm. Or begin the model with a `BatchNorm` layer.""")
TARGET_ADVICE = Text("""Let the model predict standardised targets, and undo it only for people:

```python
mean, std = {mean}, {std}  # of the training targets
loss = torch.nn.functional.{function}(output, (target - mean) / std)
prediction = output * std + mean
```

Targets that span orders of magnitude are better learned as their logarithm.""")


def percent(shares: Doubles) -> str:
    """The middle one of some shares, in percent."""
    return short_number(float(f"{100 * float(np.median(shares)):.2g}"))


def middle(values: Doubles) -> str:
    """The middle one of those that are known."""
    known = values[np.isfinite(values)]
    return short_number(float(np.median(known))) if len(known) else "0"


def filled(text: Text, harm: Text | None, what: dict[str, Text], words: dict[str, str]) -> Text:
    """A message with the harm that was seen, if any."""
    return text.format(harm=harm or _HARMLESS, **what, **words)
