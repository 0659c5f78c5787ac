"""LD511's words of makers: what a judge is shown that its maker can't make, or leaves far from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.activation_ranges import NAMES
from tb_lossdiag.analysis.activation_ranges import ends as reach
from tb_lossdiag.analysis.columns import Sighting, at_steps, columns
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import counts, mostly
from tb_lossdiag.diagnosis.rule import Evidence, Text, short_number
from tb_lossdiag.quantities import Quantity, Source
from tb_lossdiag.run import Run

_UNMADE = Text(
    "What the model makes ends in a {source}, which gives {low} to {high}, but the real ones that its judge is shown go from {least} to {most} ({count} of {checks} check-ups): {percent}% of their numbers can't be made."
)
_ASTRAY = Text(
    "What the model makes ends in a {source}, which gives {low} to {high}, but the real ones that its judge is shown go from {least} to {most} ({count} of {checks} check-ups): {percent}% of what is made lies beyond them in the last check-up, which alone tells both apart."
)
_ADVICE = Text("""Bring real samples to the range of the maker's last activation, or change that activation:

```python
real = 2 * batch - 1  # 0 to 1 becomes -1 to 1, which is what tanh gives
shown = (model(x) + 1) / 2  # and back, to look at what was made
```

torchvision's `Normalize(0.5, 0.5)` does the same. Means and deviations of ImageNet go beyond 1: with them, leave the last activation out. A
`sigmoid` at the end fits pictures of 0 to 1.""")


class Bounds(NamedTuple):
    """LD511's thresholds of makers: check-ups, share that can't be made, share astray, and how far from 1 the largest real number may be."""

    checks: int
    unmade: float
    astray: float
    excess: float


class Unfit(NamedTuple):
    """A maker whose real ones have another range: by what it shows, in words, and what to do."""

    evidence: Evidence
    message: Text
    advice: Text


class _Seen(NamedTuple):
    """What check-ups saw of a maker, and which of them count."""

    made: Sighting
    hits: Bools
    ends: dict[str, str]


def unfit_makers(run: Run, bounds: Bounds) -> Iterator[Unfit]:
    """At most one for each watched model."""
    for made in columns(run, q.MADE_SOURCE):
        source = Source(int(made.values[-1]))
        low, high, unmade, astray = (
            at_steps(run, each, made.steps, made.column, np.nan)
            for each in (q.REAL_LOW, q.REAL_HIGH, q.REAL_UNREACHED, q.MADE_ASTRAY)
        )
        whole: Bools = np.ones(len(low), bool)
        beyond: Bools = unmade >= bounds.unmade
        half: Bools = (low >= 0) & (np.abs(high - 1) <= bounds.excess)
        ends = {"least": short_number(float(low.min())), "most": short_number(float(high.max()))}
        ends |= {"source": NAMES[source], **reach(source)}
        if mostly(beyond, whole, bounds.checks):
            share = float(np.median(unmade[beyond]))
            seen = _Seen(made, beyond, ends)
            yield _unfit(seen, _UNMADE, (q.REAL_UNREACHED, share, bounds.unmade))
        astray_still = source is Source.TANH and astray[-1] >= bounds.astray
        if astray_still and not beyond.any() and mostly(half, whole, bounds.checks):
            seen = _Seen(made, half, ends)
            yield _unfit(seen, _ASTRAY, (q.MADE_ASTRAY, float(astray[-1]), bounds.astray))


def _unfit(seen: _Seen, text: Text, what: tuple[Quantity, float, float]) -> Unfit:
    quantity, share, bound = what
    percent = short_number(float(f"{100 * share:.2g}"))
    whole: Bools = np.ones(len(seen.hits), bool)
    message = text.format(percent=percent, **seen.ends, **counts(seen.hits, whole))
    steps = seen.made.steps[seen.hits]
    ends = int(steps[0]), int(steps[-1])
    return Unfit(Evidence(quantity.name, seen.made.column, *ends, share, bound), message, _ADVICE)
