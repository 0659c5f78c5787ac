"""LD807 slow-rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.ranks import Comparisons, comparisons, culprit, lasting, per_step
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Rank {rank} takes {own} s by itself in a step, before it waits for the others, which take {others} s (median of {hits} of {checks} comparisons): in each step all ranks wait for it."
)
_DATA = Text("""It is late before the forward pass begins, so look at how rank {rank} gets its data:

- its part of the data set lies on another disk, its samples are longer, or its machine has fewer cores for loader workers;
- it does something that the others do not (saving, printing, evaluating) in every step.

```python
loader = torch.utils.data.DataLoader(dataset, batch_size=64, num_workers=4, persistent_workers=True)
```""")
_COMPUTE = Text("""Its forward pass is slow. Look at the machine of rank {rank}:

- another process on its processor or accelerator, a lower clock (heat, power), a link or driver that differs;
- longer sequences than the others get: sort by length within a batch of batches, not by rank;
- more threads than cores, where several ranks share a machine: `torch.set_num_threads(cores // ranks)`.""")


@dataclass(frozen=True)
class SlowRank:
    """One data-parallel rank holds up the others.

    Why it matters: gradients are averaged in each step, so all ranks go at the pace of the slowest one.

    How it decides: each rank measures what it does by itself, from the end of a step to the end of the next forward pass (of a sharded model to its
    begin), as the median of the last eight steps before a comparison. After the first `skipped` steps, in at least `min_checks` comparisons and more
    than half of them, the same rank takes at least `min_times` as long as the median of the others, and the difference is at least `min_excess` and
    `min_share` of a step. Units: s, 1.

    What to try first: see what that rank's machine, or its part of the data, has that others do not.

    Guards against: the start; a rank that is slow now and then (it has to be the same one); steps of milliseconds; time in the queue for a processor,
    which is not counted. Waiting for other ranks lies in the backward pass, and that is not counted either.

    References: NVIDIA resiliency extension, straggler detection (score 0.75); pytorch/pytorch issue 71303.
    """

    code: ClassVar[str] = "LD807"
    name: ClassVar[str] = "slow-rank"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("One rank holds up the others")
    reads: ClassVar[tuple[Quantity, ...]] = (q.RANK_SECONDS_WORST,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.RANK_SECONDS_OTHERS,
        q.RANK_SECONDS_WORST_RANK,
        q.RANK_WAIT_EXCESS,
        q.STEP_SECONDS,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: own time of the slowest over that of the others, 1; three quarters of the others' pace
    min_times: float = 1.33
    #: s; what is shorter is lost in the noise of a machine
    min_excess: float = 0.005
    #: of a step's time, 1; what is less is not worth looking for
    min_share: float = 0.1
    #: steps at the beginning, in which workers start and memory is asked for
    skipped: int = 16
    #: comparisons after them
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model of which one rank is slow."""
        enough = False
        for every in comparisons(run, q.RANK_SECONDS_WORST):
            late = every.only(every.steps >= every.steps[:1].sum() + self.skipped)
            if len(late) < self.min_checks:
                continue
            enough = True
            rank, which = culprit(late.of(q.RANK_SECONDS_WORST_RANK), self._slow(late))
            if lasting(which, self.min_checks):
                yield self._finding(late, rank, which)
        if not enough:
            raise too_few(self.min_checks, Text("comparisons of the ranks"))

    def _slow(self, seen: Comparisons) -> Bools:
        own, others = seen.of(q.RANK_SECONDS_WORST), seen.of(q.RANK_SECONDS_OTHERS)
        step = per_step(seen.run, seen.column)
        least = max(self.min_excess, self.min_share * step if np.isfinite(step) else 0.0)
        slow: Bools = (own >= self.min_times * others) & (own - others >= least)
        return slow

    def _finding(self, late: Comparisons, rank: int, which: Bools) -> Finding:
        seen = late.only(which)
        own, others, wait = (
            float(np.median(seen.of(quantity)))
            for quantity in (q.RANK_SECONDS_WORST, q.RANK_SECONDS_OTHERS, q.RANK_WAIT_EXCESS)
        )
        message = _MESSAGE.format(
            rank=str(rank),
            own=short_number(own),
            others=short_number(others),
            hits=str(len(seen)),
            checks=str(len(late)),
        )
        ends = int(seen.steps[0]), int(seen.steps[-1])
        bound = self.min_times * others
        evidence = Evidence(q.RANK_SECONDS_WORST.name, seen.column, *ends, own, bound)
        advice = (_DATA if wait > (own - others) / 2 else _COMPUTE).format(rank=str(rank))
        numbers = {"rank": rank, "own": own, "others": others, "wait": wait}
        return Finding(self.code, self.severity, seen.column, (evidence,), message, advice, numbers)
