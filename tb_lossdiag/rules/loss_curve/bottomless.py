"""What LD110 says of a whole loss that falls ever faster, far below zero."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.bottomless import keeps_pace
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.run import Run

_BOTTOMLESS = Text(
    "The loss fell from {start} to {before} by two thirds of the steps, and on to {end} by the end, without slowing down: it has no lowest value to converge to.{term}"
)
_DEEP = Text(
    "The loss fell from {start} to {end}, further below zero than a logarithm of likelihoods can lie: it has no lowest value to converge to.{term}"
)
_BY_TERM = Text(" `{term}` goes from {low} to {high}.")
_BOTTOMLESS_ADVICE = Text("""Something in the loss pays for ever larger numbers. Look at each sign, above all of what is meant to be positive: a divergence, a penalty, a squared distance.

```python
# divergence from the standard normal: the logarithm is subtracted, and nothing lies below 0
divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
assert divergence >= 0
```

What is meant to grow (a likelihood, a margin) needs a bound: clamp variances, normalise what is compared.""")


def bottomless_finding(code: str, run: Run, levels: list[float]) -> Finding:
    """The warning about a loss with these levels."""
    steps = run[q.LOSS].steps
    numbers = {"start": levels[0], "end": levels[-1]}
    words = {**numbers, "before": levels[2]}
    message = (_BOTTOMLESS if keeps_pace(levels) else _DEEP).format(
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
