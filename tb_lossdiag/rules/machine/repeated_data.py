"""LD809 repeated-data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.by_heart import by_heart
from tb_lossdiag.analysis.columns import Sighting, columns, not_recorded, too_few
from tb_lossdiag.analysis.ranks import Comparisons, comparisons, model
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_HALF = 0.5
"""Of the ranks: most of their batches change."""
_BLANK = Text(
    "All samples of a batch were the same in each of {checks} check-ups, though their targets differ: the model's input{model} says nothing of them."
)
_EQUAL = Text(
    "{share} of the samples in a batch{model} were copies of others in it (median of {checks} check-ups)."
)
_AGAIN = Text(
    "Each of {checks} check-ups{model} saw the very same batch: this run trains on one batch alone."
)
_TWICE = Text(
    "Steps {step} and {next}{model} saw the very same batch, sample by sample, and later ones others: {workers} worker processes read the stream that they came from, and each of them reads all of it."
)
_HEART = Text(
    " It has learned this by heart: the training loss went on falling while that of the validation won nothing more."
)
_RANKS = Text(
    "In each of {checks} comparisons{model} ranks trained on the same batch ({share} of the ranks, rank {rank} among them): more ranks, but not more data."
)
_BLANK_ADVICE = Text("""Look at what reaches the model:

```python
print(x.shape, float(x.float().std(0).mean()))  # 0: every sample is the same
```

A reader that fails quietly, a `Dataset` that ignores its index, features overwritten in preprocessing, tokens that are all unknown; a memory of
an agent that keeps references to one array which the world moves in place: keep `observation.copy()`.""")
_EQUAL_ADVICE = Text("""Sampling with replacement does that; a `Dataset` that ignores its index, or workers that all read the same part of a stream, does so by
mistake:

```python
loader = torch.utils.data.DataLoader(dataset, batch_size=8, shuffle=True)  # each sample once an epoch
print(len({tuple(row.flatten().tolist()) for row, _ in dataset}), len(dataset))  # different samples, samples
```""")
_AGAIN_ADVICE = Text("""Right for a training set of one batch, and for a test whether the model can learn one by heart. A loop that means to see all its data must not begin
anew at each step:

```python
for x, y in loader:  # not x, y = next(iter(loader)) in each step
    model(x)
```""")
_TWICE_ADVICE = Text("""Each worker has a copy of the `IterableDataset`, and has to leave out what the others take:

```python
class Stream(torch.utils.data.IterableDataset):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        first, apart = (0, 1) if info is None else (info.id, info.num_workers)
        return (row for place, row in enumerate(self.rows) if place % apart == first)
```

Until then an epoch is as many times as long as there are workers. What each of them draws at random needs `info.seed`.""")

_RANKS_ADVICE = Text("""Give each rank its own share:

```python
sampler = torch.utils.data.DistributedSampler(dataset, shuffle=True)  # needs the process group
loader = torch.utils.data.DataLoader(dataset, batch_size=64, sampler=sampler)
for epoch in range(epochs):
    sampler.set_epoch(epoch)
```

A stream (`IterableDataset`) has to skip what other ranks take, and what is drawn at random needs another seed on each rank:
`torch.manual_seed(seed + rank)` once the model has been made. Where all ranks are to see the same (parts of one model, say), it is meant.""")


@dataclass(frozen=True)
class RepeatedData:
    """The model sees the same data over and over, or samples without content.

    Why it matters: what repeats is learned by heart and counts more than the rest; a batch of equal samples teaches only the average of
    their targets.

    How it decides: in at least `min_checks` check-ups, all samples of a batch are equal in all arguments of the model while its targets
    vary (a warning); or a share of `min_equal` of them are copies (an information); or each batch is, sample by sample, that of the
    check-up before (an information). These two are a warning where what was seen is learned by heart: in the second half of the run the
    validation loss won nothing, and the training loss halved, to less than a tenth of it; of copies, if they are `min_pool` of the batch. Or in each of as many comparisons of data-parallel ranks, the last batch of one rank is also another's, sample by sample
    in any order, while batches change (a warning). Or the first two steps see
    the same batch, the last check-up another than the one before it, and by the second step a DataLoader with two workers or more has given two batches of a stream (a
    warning). Of samples of fewer than 16 numbers, which may well be the
    same, only a batch counts that is one and the same measured sample throughout, and another one each time. Unit: share of samples.

    What to try first: print a batch.

    Guards against: few features with few values; a training set of one batch, and sampling with replacement (an information each); targets that
    are all the same, too.

    References: TrainCheck (Jiang et al. 2025), workload stackoverflow-67180955; PyTorch, data loading, "Randomness in multi-process data
    loading".
    """

    code: ClassVar[str] = "LD809"
    name: ClassVar[str] = "repeated-data"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The same data again")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.EQUAL_SAMPLES,
        q.RANK_EQUAL_BATCHES,
        q.RANK_EQUAL_RANK,
        q.RANK_FRESH_BATCHES,
        q.BATCH_REPEATED,
        q.STREAM_WORKERS,
        q.CALL_TARGET_STD,
        q.CALL_MAJORITY,
        q.LOSS,
        q.VALIDATION_LOSS,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD705", "LD107", "LD108", "LD523")

    #: check-ups; the first two are consecutive steps
    min_checks: int = 5
    #: share of samples that are copies
    min_equal: float = 0.25
    #: share of samples that are copies; half are, where a batch is drawn from three fifths of its size in samples
    min_pool: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model about its ranks, and one about the worst that is true of its batches."""
        if q.EQUAL_SAMPLES not in run and q.RANK_EQUAL_BATCHES not in run:
            raise not_recorded(q.EQUAL_SAMPLES)
        told = [t for t in comparisons(run, q.RANK_EQUAL_BATCHES) if len(t) >= self.min_checks]
        seen = [s for s in columns(run, q.EQUAL_SAMPLES) if len(s.steps) >= self.min_checks]
        if not told and not seen:
            raise too_few(self.min_checks, Text("check-ups of batches with samples to compare"))
        for ranks in told:
            yield from self._among_ranks(ranks)
        for each in seen:
            yield from self._among_samples(run, each)

    def _among_samples(self, run: Run, each: Sighting) -> Iterator[Finding]:
        name, steps, shares = each
        again = _again(run, name, steps)
        if shares.min() >= 1 and _varied(run):
            yield self._finding(Severity.WARNING, (_BLANK, _BLANK_ADVICE), name, (steps, shares))
        elif len(again) + 1 >= self.min_checks and again.min() >= 1:
            ones = steps, np.ones(len(steps))
            severity = self._severity(run, 1.0)
            yield self._finding(severity, (_AGAIN, _AGAIN_ADVICE), name, ones)
        elif len(steps) > 1 and (workers := _readers(run, int(steps[1]))) and _twice(again):
            yield self._of_stream(name, steps, workers)
        elif (share := float(np.median(shares))) >= self.min_equal:
            severity = self._severity(run, share)
            yield self._finding(severity, (_EQUAL, _EQUAL_ADVICE), name, (steps, shares))

    def _of_stream(self, name: str, steps: Steps, workers: int) -> Finding:
        first, second = int(steps[0]), int(steps[1])
        said = _TWICE.format(
            step=str(first),
            next=str(second),
            model=f" `{name}`" if name else "",
            workers=str(workers),
        )
        evidence = Evidence(q.BATCH_REPEATED.name, name, first, second, 1.0, 0.0)
        return Finding(
            self.code, self.severity, name, (evidence,), said, _TWICE_ADVICE, {"workers": workers}
        )

    def _severity(self, run: Run, share: float) -> Severity:
        """A warning where so few samples are seen that the model knows them by heart."""
        return self.severity if share >= self.min_pool and by_heart(run) else Severity.INFO

    def _among_ranks(self, seen: Comparisons) -> Iterator[Finding]:
        shares, fresh = seen.of(q.RANK_EQUAL_BATCHES), seen.of(q.RANK_FRESH_BATCHES)
        changing = np.nanmedian(fresh) if np.isfinite(fresh).any() else 0.0
        if shares.min() <= 0 or changing <= _HALF:
            return
        share, rank = float(np.median(shares)), int(seen.of(q.RANK_EQUAL_RANK)[-1])
        said = _RANKS.format(
            checks=str(len(seen)), model=model(seen.column), share=f"{share:.0%}", rank=str(rank)
        )
        ends = int(seen.steps[0]), int(seen.steps[-1])
        evidence = Evidence(q.RANK_EQUAL_BATCHES.name, seen.column, *ends, share, 0.0)
        numbers = {"share": share, "checks": len(seen), "rank": rank}
        yield Finding(
            self.code, self.severity, seen.column, (evidence,), said, _RANKS_ADVICE, numbers
        )

    def _finding(
        self, severity: Severity, texts: tuple[Text, Text], name: str, seen: tuple[Steps, Doubles]
    ) -> Finding:
        (steps, shares), (message, advice) = seen, texts
        share = float(np.median(shares))
        said = message.format(
            checks=short_number(len(steps)),
            model=f" `{name}`" if name else "",
            share=f"{share:.0%}",
        )
        if severity is self.severity and message is not _BLANK:
            said = Text("{said}{heart}").format(said=said, heart=_HEART)
        again = message is _AGAIN
        quantity, bound = (q.BATCH_REPEATED, 1.0) if again else (q.EQUAL_SAMPLES, self.min_equal)
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(quantity.name, name, *ends, share, bound)
        numbers = {"share": share, "checks": len(steps)}
        return Finding(self.code, severity, name, (evidence,), said, advice, numbers)


def _again(run: Run, name: str, steps: Steps) -> Doubles:
    """float64[N]: whether the batch was that of the check-up before, where there was one."""
    if q.BATCH_REPEATED not in run:
        return np.zeros(len(steps))
    values = run[q.BATCH_REPEATED].at(steps, (name,))[:, 0].astype(np.float64)
    return values[np.isfinite(values)]


def _twice(again: Doubles) -> bool:
    """Whether the second batch was the first one, though batches change."""
    return len(again) > 1 and again[0] >= 1 and again[-1] < 1


def _readers(run: Run, second: int) -> int:
    """Worker processes that read the stream of the training, by its second check-up; 0 if it has none, or one."""
    if q.STREAM_WORKERS not in run:
        return 0
    table = run[q.STREAM_WORKERS]
    return int(table.values[0, 0]) if len(table.steps) and int(table.steps[0]) == second else 0


def _varied(run: Run) -> bool:
    """Whether targets differ within a batch, as far as a loss call says."""
    spread = [float(np.median(values)) for _, _, values in columns(run, q.CALL_TARGET_STD)]
    shares = [float(np.median(values)) for _, _, values in columns(run, q.CALL_MAJORITY)]
    return any(value > 0 for value in spread) and all(share < 1 for share in shares)
