"""LD721 extreme-dropout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.analysis.modules import layout, needs_check_ups, there
from tb_lossdiag.analysis.progress import below_baseline, fall
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Kind, Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{names} leave out {percent}% of what they are given (median of {checks} check-ups){harm}."
)
_STUCK = Text(", and the loss has hardly fallen")
_CONSTANT = Text(", and the answer is no better than a constant")
_SEVERAL = Text("; one such layer may be meant, several hardly are")
_HARMLESS = Text("")
_ADVICE = Text("""`p` is the share that is left **out**: `Dropout(0.9)` keeps a tenth. Usual values are 0.1 to 0.5:

```python
dropout = torch.nn.Dropout(p=0.1)
```

Where a share to *keep* was meant, as in other frameworks, give `1 - keep`. Several dropouts in a row multiply what is left.""")


_JUDGED = Text("share of what was not 0 that `{name}` made 0")


@dataclass(frozen=True)
class ExtremeDropout:
    """A dropout layer leaves nearly everything out.

    Why it matters: what is left is multiplied by five and more, so that each batch sees another small network and the gradients are mostly
    noise.

    How it decides: of the elements that were not 0 before it, a dropout module sets at least `min_share` to 0, median over at least
    `min_checks` check-ups. What came before is known where a module fed it; else half of it is taken for zeros. A warning if the loss has
    lost less than `min_fall` of its start, or its calls cost no less than the best constant answer, or several layers leave out
    `min_several` and the loss has not lost `min_learned` of its start; else an information. Unit: share.

    What to try first: `p=0.1`, or one minus the number if it was meant as a share to keep.

    Guards against: zeros of an activation before the dropout; dropout in eval(); wide inputs that are thinned on purpose, as in denoising,
    and small graphs with 0.8 in each layer, which learn (information).

    References: Srivastava et al. 2014, Dropout (JMLR 15), section 7.3: best between 0.4 and 0.8 of the units *kept*.
    """

    code: ClassVar[str] = "LD721"
    name: ClassVar[str] = "extreme-dropout"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Dropout leaves nearly everything out")
    reads: ClassVar[tuple[Quantity, ...]] = (q.ZERO_SHARE, q.MODULE_KIND)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.MODULE_FED_BY,
        q.MODULE_LAST,
        q.LOSS,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.CALL_VALUE,
        q.CALL_BASELINE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD202", "LD207", "LD523", "LD705")

    #: share, 1; p = 0.8 shows as 0.78 to 0.82 in small batches
    min_share: float = 0.77
    #: check-ups; one batch may be thinned by chance
    min_checks: int = 3
    #: share of the starting loss, 1; less after a whole run is standing still
    min_fall: float = 0.2
    #: share, 1; 0.8 is used on small graphs, 0.9 is what should have been kept
    min_several: float = 0.85
    #: share of the starting loss, 1; who has learned that much may do as they like
    min_learned: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all such layers."""
        table, modules = run[q.ZERO_SHARE], layout(run)
        needs_check_ups(table, self.min_checks)
        found: dict[str, float] = {}
        for name in table.columns:
            if modules.kind(name) is not Kind.DROPOUT:
                continue
            share = _left_out(run, name, modules.feeders.get(name))
            known = share[there(share)]
            if len(known) >= self.min_checks and float(median(known)) >= self.min_share:
                found[name] = float(median(known))
        if found:
            yield self._finding(run, found)

    def _finding(self, run: Run, found: dict[str, float]) -> Finding:
        table = run[q.ZERO_SHARE]
        harm = self._harm(run, found)
        most = max(found, key=lambda name: found[name])
        message = _MESSAGE.format(
            names=", ".join(f"`{name}`" for name in found),
            percent=f"{100 * found[most]:.0f}",
            checks=str(int(there(table.column(most)).sum())),
            harm=harm,
        )
        ends = int(table.steps[0]), int(table.steps[-1])
        feeders = layout(run).feeders
        evidence = tuple(
            with_judged(
                Evidence(q.ZERO_SHARE.name, name, *ends, share, self.min_share),
                _JUDGED.format(name=name),
                table.steps,
                _left_out(run, name, feeders.get(name)),
            )
            for name, share in found.items()
        )
        severity = self.severity if harm is not _HARMLESS else Severity.INFO
        numbers = {"share": found[most]}
        return Finding(self.code, severity, most, evidence, message, _ADVICE, numbers)

    def _harm(self, run: Run, found: dict[str, float]) -> Text:
        if below_baseline(run) is False:
            return _CONSTANT
        lost = fall(run)
        if lost is None or lost >= self.min_learned:
            return _HARMLESS
        if lost < self.min_fall:
            return _STUCK
        thick = [share for share in found.values() if share >= self.min_several]
        return _SEVERAL if len(thick) > 1 else _HARMLESS


_UNKNOWN = 0.5
"""Zeros before a dropout that no module fed: an activation function may have left half of them."""


def _left_out(run: Run, name: str, feeder: str | None) -> Doubles:
    """float64[T]: share of what was not 0 that a module made 0."""
    table = run[q.ZERO_SHARE]
    after = table.column(name).astype(np.float64)
    known = feeder in table.columns if feeder is not None else False
    before = (
        table.column(str(feeder)).astype(np.float64) if known else _UNKNOWN * np.ones_like(after)
    )
    return np.where(before < 1, (after - before) / np.maximum(1 - before, 1e-9), np.nan)
