"""LD808 rank-loss-apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.ranks import Comparisons, comparisons, culprit, lasting
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_APART = Text(
    "Rank {rank} has a mean loss of {own} where the others have {others} (medians of {hits} of {checks} comparisons): it sees other data, or holds another model."
)
_BROKE = Text(
    "Rank {rank} was the first to have a loss that is not finite, between step {first} and step {last}; by averaging its gradients it took the others with it."
)
_APART_ADVICE = Text("""Look at what that rank is given. Each rank should draw from all data, shuffled:

```python
sampler = torch.utils.data.DistributedSampler(dataset, shuffle=True)  # needs the process group
loader = torch.utils.data.DataLoader(dataset, batch_size=64, sampler=sampler)
for epoch in range(epochs):
    sampler.set_epoch(epoch)  # another order, other shares
```

- Files or shards that are given out by rank differ: in source, in difficulty, in preprocessing.
- Check that labels, tokenizer and vocabulary are the same files on all machines.
- Where the loss is one that ranks share out (parts of a sequence, say), the difference is meant.""")
_BROKE_ADVICE = Text("""Look at the batches of rank {rank} in these steps: a damaged file, an empty batch (a mean over nothing), a value that is infinite already.

```python
assert torch.isfinite(x).all(), "not finite before the model has seen it"
```""")


@dataclass(frozen=True)
class RankLossApart:
    """One data-parallel rank has another loss than the others.

    Why it matters: ranks are to draw from the same data with the same model. One whose data differ pulls the average its way, and rank 0, whose loss is
    logged, tells nothing of it.

    How it decides: each rank's mean loss between two comparisons of at least `min_steps` steps. In at least `min_checks` of them and more than half, the
    same rank is away from the others' median by `min_share` of it, by `min_noise` standard deviations of a rank's losses, and by six times both the
    others' own distance (as a standard deviation) and the standard error of the mean. Or a rank had the first loss that is not finite. Unit: that of
    the loss.

    What to try first: shuffle over all data before they are shared out.

    Guards against: noise of short comparisons; small batches; two ranks of which now one and now the other is higher; parts of data that differ a
    little; ranks that give no loss, or the mean of all.

    References: torchtitan logs the largest loss of all ranks beside their mean; Jiang et al. 2025, TrainCheck.
    """

    code: ClassVar[str] = "LD808"
    name: ClassVar[str] = "rank-loss-apart"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("One rank has another loss")
    reads: ClassVar[tuple[Quantity, ...]] = (q.RANK_STEPS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.RANK_LOSS_WORST,
        q.RANK_LOSS_WORST_RANK,
        q.RANK_LOSS_OTHERS,
        q.RANK_LOSS_SPREAD,
        q.RANK_LOSS_STD,
        q.RANK_BROKEN_FIRST,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: of the others' loss, 1; shares of shuffled data differ by less
    min_share: float = 0.2
    #: standard deviations of a rank's losses, 1; less could be chance where each rank sees few samples again and again
    min_noise: float = 1.0
    #: standard deviations of the ranks, and standard errors of a mean, 1
    min_deviations: float = 6.0
    #: steps between two comparisons; a mean of fewer is noise
    min_steps: int = 16
    #: such comparisons
    min_checks: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model: about a rank that broke first, else about one that is apart."""
        enough = False
        for every in comparisons(run, q.RANK_STEPS):
            broke = np.flatnonzero(np.isfinite(every.of(q.RANK_BROKEN_FIRST)))
            known = np.isfinite(every.of(q.RANK_LOSS_WORST))
            late = every.only(known & (every.of(q.RANK_STEPS) >= self.min_steps))
            if len(broke):
                enough = True
                yield self._broke(every, int(broke[0]))
            elif len(late) >= self.min_checks:
                enough = True
                yield from self._judge(late)
        if not enough:
            raise too_few(self.min_checks, Text("comparisons of the ranks' losses"))

    def _judge(self, late: Comparisons) -> Iterator[Finding]:
        rank, which = culprit(late.of(q.RANK_LOSS_WORST_RANK), self._apart(late))
        if lasting(which, self.min_checks):
            yield self._finding(late, rank, which)

    def _apart(self, seen: Comparisons) -> Bools:
        others, std = seen.of(q.RANK_LOSS_OTHERS), seen.of(q.RANK_LOSS_STD)
        error = std * np.sqrt(2 / seen.of(q.RANK_STEPS))
        spread = _DEVIATION * seen.of(q.RANK_LOSS_SPREAD)
        bounds = (
            self.min_share * np.abs(others),
            self.min_noise * std,
            self.min_deviations * np.maximum(error, spread),
        )
        apart: Bools = np.abs(seen.of(q.RANK_LOSS_WORST) - others) > np.max(bounds, axis=0)
        return apart

    def _finding(self, late: Comparisons, rank: int, which: Bools) -> Finding:
        seen = late.only(which)
        own = float(np.median(seen.of(q.RANK_LOSS_WORST)))
        others = float(np.median(seen.of(q.RANK_LOSS_OTHERS)))
        message = _APART.format(
            rank=str(rank),
            own=short_number(own),
            others=short_number(others),
            hits=str(len(seen)),
            checks=str(len(late)),
        )
        ends = int(seen.steps[0]), int(seen.steps[-1])
        evidence = Evidence(q.RANK_LOSS_WORST.name, seen.column, *ends, own, others)
        numbers = {"rank": rank, "own": own, "others": others}
        return Finding(
            self.code, self.severity, seen.column, (evidence,), message, _APART_ADVICE, numbers
        )

    def _broke(self, every: Comparisons, place: int) -> Finding:
        rank = int(every.of(q.RANK_BROKEN_FIRST)[place])
        last = int(every.steps[place])
        first = last + 1 - int(every.of(q.RANK_STEPS)[place])
        said = {"rank": str(rank), "first": str(first), "last": str(last)}
        evidence = Evidence(q.RANK_BROKEN_FIRST.name, every.column, first, last, rank, rank)
        return Finding(
            self.code,
            self.severity,
            every.column,
            (evidence,),
            _BROKE.format(**said),
            _BROKE_ADVICE.format(**said),
            {"rank": rank},
        )


_DEVIATION = 1.4826
"""Standard deviations of a normal distribution per median distance."""
