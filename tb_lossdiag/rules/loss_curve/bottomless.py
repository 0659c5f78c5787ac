"""A loss that falls ever faster, far below zero: what LD110 says of whole losses."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import curve_of, is_of_one_model
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.run import Run

_BOTTOMLESS = Text(
    "The loss fell from {start} to {before} by two thirds of the steps, and on to {end} by the end, without slowing down: it has no lowest value to converge to.{term}"
)
_BY_TERM = Text(" `{term}` goes from {low} to {high}.")
_BOTTOMLESS_ADVICE = Text("""Something in the loss pays for ever larger numbers. Look at each sign, above all of what is meant to be positive: a divergence, a penalty, a squared distance.

```python
# divergence from the standard normal: the logarithm is subtracted, and nothing lies below 0
divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
assert divergence >= 0
```

What is meant to grow (a likelihood, a margin) needs a bound: clamp variances, normalise what is compared.""")


def bottomless(run: Run, least: int, pace: float, times: float) -> list[float] | None:
    """Levels of one model's loss at the start and after each third of the steps, if it has no bottom.

    Args:
        run: the run; `LOSS`, `STEPS` and what `is_reinforcement` reads are read if they are there.
        least: records.
        pace: fall in a third of the steps over that in the third before.
        times: how far below zero it must end, over its start.
    """
    if q.LOSS not in run or not is_of_one_model(run):
        return None
    loss = curve_of(run, q.LOSS)
    if len(loss) < least or not np.isfinite(loss.values).all():
        return None
    rows = [loss.row(1 / 3), loss.row(2 / 3), -1]
    levels = [loss.start, *(float(loss.level[row]) for row in rows)]
    first, before, late = -np.diff(levels)
    faster = first > 0 and before >= pace * first and late >= pace * before
    return levels if faster and -levels[-1] >= times * abs(levels[0]) else None


def bottomless_finding(code: str, run: Run, levels: list[float]) -> Finding:
    """The warning about a loss with these levels."""
    steps = run[q.LOSS].steps
    numbers = {"start": levels[0], "end": levels[-1]}
    words = {**numbers, "before": levels[2]}
    message = _BOTTOMLESS.format(
        term=_falling_term(run),
        **{name: short_number(value) for name, value in words.items()},
    )
    ends = int(steps[0]), int(steps[-1])
    evidence = Evidence(q.LOSS.name, "", *ends, levels[-1], 0.0)
    texts = message, _BOTTOMLESS_ADVICE
    return Finding(code, Severity.WARNING, "", (evidence,), *texts, numbers)


def _falling_term(run: Run) -> Text:
    """The term that ends lowest, and what it went through."""
    if q.LOSS_TERM not in run:
        return Text("")
    table = run[q.LOSS_TERM]
    last = np.nan_to_num(table.values[-1], nan=np.inf)
    name = table.columns[int(np.argmin(last))]
    began, ended = (float(table.column(name)[row]) for row in (0, -1))
    return _BY_TERM.format(term=name, low=short_number(began), high=short_number(ended))
