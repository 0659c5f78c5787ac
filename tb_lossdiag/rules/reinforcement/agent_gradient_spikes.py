"""LDR20 agent-gradient-spikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import signal
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {spikes} of {records} records the gradient norm was at least {factor} times the usual {level}; the largest was {largest} at step {step}."
)
_ADVICE = Text("""Look at the batch of step {step}: its longest answer, its largest probability ratio, its largest advantage.

- Clip gradients (`max_grad_norm`), if that is not done yet; a clip makes such steps small, and does not say why they come.
- Advantages: bound them, or do not divide by a spread that may be nearly 0 (TRL: `scale_rewards`).
- The ratio of old answers: fewer passes over them, or a truncated importance ratio.""")


@dataclass(frozen=True)
class AgentGradientSpikes:
    """The norm of an agent's gradient jumps now and then by a large factor.

    Why it matters: one step of that kind can undo what thousands have learned, and a clip hides that it came.

    How it decides: at least `min_spikes` records, at most a tenth of all, are `min_factor` times the median of the 50 records around them. Unit: times.

    What to try first: look at the batch that did it.

    Guards against: the first tenth of the run; norms that vary by a few times from batch to batch, as they do with groups of answers; runs whose
    gradients are recorded by parameter (LD203 judges those). Since healthy agents have such steps as well, it is an information.

    References: Pascanu et al. 2013, On the difficulty of training recurrent neural networks (arXiv 1211.5063); Liu et al. 2025, Understanding
    R1-Zero-like training (arXiv 2503.20783), dividing by the spread.
    """

    code: ClassVar[str] = "LDR20"
    name: ClassVar[str] = "agent-gradient-spikes"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("The agent's gradient spikes")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GLOBAL_NORM, q.REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NORM,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: times the median around, 1; healthy runs stay below 5
    min_factor: float = 10.0
    #: records; one may be a strange prompt
    min_spikes: int = 3
    #: records of the gradient norm
    min_records: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        if q.GRADIENT_NORM in run:
            raise NotEnough(Text("a log without gradients by parameter: LD203 judges those"))
        seen = signal(run, q.GLOBAL_NORM, self.min_records)
        signal(run, q.REWARD, self.min_records)
        usual = _around(seen.values)
        high = (seen.values >= self.min_factor * usual) & (usual > 0)
        high[: len(seen) // 10] = False
        count = int(high.sum())
        if count < self.min_spikes or count > len(seen) // 10:
            return
        rows = np.flatnonzero(high)
        top = int(rows[np.argmax(seen.values[rows])])
        step, typical = int(seen.steps[top]), float(usual[top])
        message = _MESSAGE.format(
            spikes=str(count),
            records=str(len(seen)),
            factor=short_number(self.min_factor),
            level=short_number(typical),
            largest=short_number(float(seen.values[top])),
            step=str(step),
        )
        ends = int(seen.steps[rows[0]]), int(seen.steps[rows[-1]])
        observed = float(seen.values[top])
        evidence = Evidence(
            q.GLOBAL_NORM.name, seen.column, *ends, observed, self.min_factor * typical
        )
        advice = _ADVICE.format(step=str(step))
        yield Finding(self.code, self.severity, "", (evidence,), message, advice, {"spikes": count})


def _around(values: Doubles) -> Doubles:
    """The median of the 50 records around each."""
    padded = np.pad(values, (25, 24), mode="reflect")
    around: Doubles = np.median(np.lib.stride_tricks.sliding_window_view(padded, 50), axis=1)
    return around
