"""LDR06 ratio-clip-saturation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import is_flat, percent, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The probability ratio was clipped for {share}% of the choices over the last quarter of {records} records{flat}{side}: their gradient is 0."
)
_FLAT = Text(", while nothing is gained any more")
_SIDE = Text("; {factor} times as often {side} as on the other side")
_LOW, _HIGH, _NOTHING = Text("below"), Text("above"), Text("")
_ADVICE = Text("""The policy that learns is too far from the one that made the answers.

- A smaller learning rate first: it is what moves the ratio.
- Fewer passes over the same answers (`num_iterations`, `ppo_epochs`, `n_epochs`), larger mini-batches.
- Clipped above, rarely below: raise the upper bound (`epsilon_high`). The other way round: rewards push answers away more than towards others.""")


@dataclass(frozen=True)
class RatioClipSaturation:
    """Much of what the policy learns from is cut off by the ratio clip.

    Why it matters: what is clipped has no gradient, so those answers were made for nothing, and steps are as large as the bound lets them be.

    How it decides: the median over the last quarter is at least `min_share` and the score does not rise over the second half; from `min_most`
    on it is said in any case, as an error where the score stands still. Clips below and above are compared from `min_factor` on. Unit: share of
    choices.

    What to try first: a smaller learning rate.

    Guards against: a share of a tenth to a fifth, which learns well; a score that still rises.

    References: Schulman et al. 2017, Proximal Policy Optimization (arXiv 1707.06347), section 3; Yu et al. 2025, DAPO (arXiv 2503.14476), clip-higher.
    """

    code: ClassVar[str] = "LDR06"
    name: ClassVar[str] = "ratio-clip-saturation"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The trust region throws much of the update away")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CLIPPED_RATIO, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CLIPPED_LOW, q.CLIPPED_HIGH, q.HELD_OUT_SCORE)
    explains: ClassVar[tuple[str, ...]] = ("LDR19",)

    #: share of choices, 1; healthy runs of PPO have 0.05 to 0.2
    min_share: float = 0.2
    #: share of choices, 1; two of five
    min_most: float = 0.4
    #: times, 1; rldoctor's
    min_factor: float = 3.0
    #: records of the share
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        seen = signal(run, q.CLIPPED_RATIO, self.min_records)
        signal(run, q.REWARD, self.min_records)
        late, flat = seen.late, is_flat(run)
        if late < self.min_share or not (flat or late >= self.min_most):
            return
        message = _MESSAGE.format(
            share=percent(late),
            records=str(len(seen)),
            flat=_FLAT if flat else _NOTHING,
            side=self._side(run),
        )
        severity = Severity.ERROR if flat and late >= self.min_most else self.severity
        evidence = seen.evidence(0.75, 0.25, self.min_share)
        yield Finding(self.code, severity, "", (evidence,), message, _ADVICE, {"share": late})

    def _side(self, run: Run) -> Text:
        """On which side it is clipped much more often."""
        if q.CLIPPED_LOW not in run or q.CLIPPED_HIGH not in run:
            return _NOTHING
        low, high = (
            float(np.nanmedian(run[each].values[-self.min_records :]))
            for each in (q.CLIPPED_LOW, q.CLIPPED_HIGH)
        )
        larger, smaller = max(low, high), min(low, high)
        if not (smaller > 0 and larger >= self.min_factor * smaller):
            return _NOTHING
        return _SIDE.format(
            factor=short_number(larger / smaller), side=_LOW if low > high else _HIGH
        )
