"""What LD110 says of a divergence that is taken off the loss."""

from __future__ import annotations

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.curve import is_of_one_model
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A divergence of normal distributions is taken off the loss and not added to it, in {count} of {count} check-ups that saw it: it grows without a bound, and the loss falls as far.{loss}"
)
_LOSS = Text(" The loss went from {start} to {end}.")
_ADVICE = Text("""Turn its sign round. With a minus sign outside, the logarithm of the variance is added inside; without one it is taken off.

```python
divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()
assert divergence >= 0  # and it is added
```""")


def negated_divergence(code: str, run: Run, least: int) -> Finding | None:
    """The finding, where as many check-ups saw it and none saw the other sign."""
    seen = next(columns(run, q.DIVERGENCE_NEGATED), None)
    if seen is None or not is_of_one_model(run):
        return None
    _, steps, signs = seen
    if len(signs) < least or not (signs == 1).all():
        return None
    ends = int(steps[0]), int(steps[-1])
    values = run[q.LOSS].values[:, 0].astype(np.float64) if q.LOSS in run else np.zeros(0)
    below = bool(len(values)) and not (np.isfinite(values).all() and values[-1] >= 0)
    words = {"start": short_number(values[0]), "end": short_number(values[-1])} if below else {}
    message = _MESSAGE.format(
        count=str(len(signs)), loss=_LOSS.format(**words) if below else Text("")
    )
    evidence = Evidence(q.DIVERGENCE_NEGATED.name, "", *ends, 1.0, 0.0)
    severity = Severity.ERROR if below else Severity.WARNING
    numbers = {"checks": len(signs)}
    return Finding(code, severity, "", (evidence,), message, _ADVICE, numbers)
