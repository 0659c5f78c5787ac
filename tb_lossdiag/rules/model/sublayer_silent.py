"""LD726 sublayer-silent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.inside import Seen, seen, settled
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "What `{name}` adds is {share} times as large as what it is added to (the most of {checks} check-ups), while the other additions of the model bring {typical} times as much (median): this part of it is passed by. So it is with {count} of {all} additions."
)
_ADVICE = Text("""Look at what makes this output small, from its end to its beginning:

- The last layer's weights: 0, as they are where a checkpoint lacked their names (print what `load_state_dict(..., strict=False)` returns).
- A factor or a gate behind it that is 0 and not trained; dropout with `p=1`; a normalisation whose gains are 0.
- What it is given: another part that is silent, or a mask that hides everything.

If it was begun at 0 on purpose, it has to get away from there: see whether its weights are in the optimizer and have a gradient.""")


@dataclass(frozen=True)
class SublayerSilent:
    """A part of a residual network adds next to nothing to what passes it by.

    Why it matters: its parameters, time and memory are paid for, and the network is that much shallower; the loss does not show it.

    How it decides: check-ups compare the output of a layer with what it is added to (norms). In each of the last `min_checks` check-ups after the first
    `early` of the run and the first `min_step` steps it is at most `max_share`, no more than `max_growth` times larger in the newest than in the first of
    them, and the median over the other additions is at least `min_others`, of which there are at least `min_count`. Unit: 1.

    What to try first: print the weights of that part's last layer.

    Guards against: branches that begin at 0 on purpose and wake up; networks in which all branches are small; constants,
    masks and positions, which no layer made.

    References: De and Smith 2020, Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep Networks (arXiv 2002.10444); Bachlechner
    et al. 2021, ReZero is All You Need (arXiv 2003.04887), branches that begin at 0; Jahan et al. 2026, DEFault++ (arXiv 2604.28118), residual faults.
    """

    code: ClassVar[str] = "LD726"
    name: ClassVar[str] = "sublayer-silent"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("A part of the network adds nothing")
    reads: ClassVar[tuple[Quantity, ...]] = (q.ADDED_SHARE,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: times what it is added to, 1; half precision has steps of 5e-4 and more, in which it is lost altogether
    max_share: float = 1e-4
    #: the same of the others, 1; a branch of a hundredth still turns the whole by half a degree
    min_others: float = 1e-2
    #: times, 1; what wakes up doubles from check-up to check-up
    max_growth: float = 2.0
    #: other additions; of two one may be odd
    min_count: int = 2
    #: check-ups; of fewer a single batch decides
    min_checks: int = 3
    #: share of the run, 1; branches that begin at 0 need their first steps
    early: float = 0.05
    #: steps; in short runs a share of them is nothing
    min_step: int = 10

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all silent parts."""
        since = settled(run, self.early, self.min_step)
        known = list(seen(run, q.ADDED_SHARE, self.min_checks, since))
        if len(known) <= self.min_count:
            needs = Text("{count} check-ups of a network in which {least} layers or more are added")
            wanted = {"count": str(self.min_checks), "least": str(self.min_count + 1)}
            raise NotEnough(needs.format(**wanted))
        silent = [each for each in known if self._silent(each)]
        others = [each for each in known if not self._silent(each)]
        levels = [float(np.median(each.values[-self.min_checks :])) for each in others]
        if silent and len(others) >= self.min_count and np.median(levels) >= self.min_others:
            yield self._finding(silent, len(known), float(np.median(levels)))

    def _silent(self, each: Seen) -> bool:
        last = each.values[-self.min_checks :]
        return bool(last.max() <= self.max_share and last[-1] <= self.max_growth * last[0])

    def _finding(self, silent: list[Seen], count: int, typical: float) -> Finding:
        worst = silent[0]
        last = worst.values[-self.min_checks :]
        most = float(last.max())
        message = _MESSAGE.format(
            name=worst.name,
            share=short_number(most),
            checks=str(len(last)),
            typical=short_number(typical),
            count=str(len(silent)),
            all=str(count),
        )
        ends = int(worst.steps[-self.min_checks]), int(worst.steps[-1])
        evidence = Evidence(q.ADDED_SHARE.name, worst.name, *ends, most, self.max_share)
        numbers = {"share": most}
        return Finding(self.code, self.severity, worst.name, (evidence,), message, _ADVICE, numbers)
