"""LD519's pairs: both sides of one are the same tensor, or a sample is among its own candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries
from tb_lossdiag.diagnosis.rule import Evidence, Text, short_number
from tb_lossdiag.records import Doubles

_SAME = Text(
    "`{call}` compares samples, and from the first check-up on {accuracy}% of its answers were right, with a largest likeness of {largest} in all {checks} of them: both sides of a pair are the same tensor."
)
_SAME_ADVICE = Text("""The right answer can be told without learning anything: a sample is always most like itself. Look at both sides of a pair:

```python
assert not torch.equal(first, second)  # two views, each with random changes of its own
```

- Two calls of the same random transformation, not one result used twice.
- In a matrix of a batch with itself, the diagonal is no candidate unless it is the answer.""")
_AMONG = Text(
    "`{call}` compares samples, and in none of {checks} check-ups was one of its answers right, while the largest likeness was {largest} in all of them: each sample is among its own candidates, and is always most like itself."
)
_AMONG_ADVICE = Text("""A sample is nearer to itself than to its pair, so the right answer cannot come first, and the loss has a floor that no training passes. Take each
out of its own candidates:

```python
features = torch.nn.functional.normalize(torch.cat([first, second]).flatten(1), dim=1)
likeness = features @ features.T
itself = torch.eye(len(likeness), dtype=torch.bool)
likeness = likeness.masked_fill(itself, float("-inf"))
```""")


class Told(NamedTuple):
    """What is said of a comparison."""

    message: Text
    advice: Text
    evidence: Evidence
    numbers: dict[str, float]


def same_pair(call: LossCallSeries, least: int, right: float, same: float) -> Told | None:
    """From the first check-up on so many answers are right, and the largest likeness is one and the same."""
    accuracy, largest = call.of(q.CALL_ACCURACY), call.of(q.CALL_INPUT_MAX)
    known = np.isfinite(accuracy) & np.isfinite(largest)
    if not (_constant(largest, known, least, same) and (accuracy[known] >= right).all()):
        return None
    share, at = float(accuracy[known].min()), float(largest[known][0])
    message = _SAME.format(
        call=call.name,
        accuracy=short_number(100 * share),
        largest=short_number(at),
        checks=str(int(known.sum())),
    )
    evidence = call.evidence(q.CALL_ACCURACY, known, share, right)
    return Told(message, _SAME_ADVICE, evidence, {"accuracy": share, "largest": at})


def among_itself(call: LossCallSeries, least: int, apart: float, same: float) -> Told | None:
    """No answer is ever right, and the largest likeness is one and the same, whatever the others are."""
    accuracy, largest = call.of(q.CALL_ACCURACY), call.of(q.CALL_INPUT_MAX)
    known = np.isfinite(accuracy) & np.isfinite(largest)
    known &= call.of(q.CALL_INPUT_STD) >= apart * np.abs(largest)
    if not (_constant(largest, known, least, same) and (accuracy[known] == 0).all()):
        return None
    at, checks = float(largest[known][0]), int(known.sum())
    message = _AMONG.format(call=call.name, checks=str(checks), largest=short_number(at))
    evidence = call.evidence(q.CALL_INPUT_MAX, known, at)
    return Told(message, _AMONG_ADVICE, evidence, {"largest": at})


def _constant(largest: Doubles, known: Bools, least: int, same: float) -> bool:
    if known.sum() < least:
        return False
    at = float(largest[known][0])
    return bool(np.abs(largest[known] - at).max() <= same * max(abs(at), 1.0))
