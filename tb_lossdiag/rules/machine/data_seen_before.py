"""LD810 data-seen-before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, not_recorded
from tb_lossdiag.analysis.ranks import model
from tb_lossdiag.analysis.seen_again import Resumed, SeenAgain, place, resumes, seen_again
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The run was resumed at step {step}, and its data began anew: the batches of {checks} check-ups{model} are, one by one, those that an earlier process began with{how}"
)
_MIDDLE = Text(
    ". That was within an epoch: after {taken} steps, where an epoch has {epoch} batches. What comes late in the order is seen less, or never."
)
_NO_EPOCHS = Text(
    ". It was resumed so several times, and no length of an epoch fits all of them. What comes late in the order is seen less, or never."
)
_PERHAPS = Text(
    ". Right if an epoch begins there and its order is fixed; else what comes late in the order is seen less, or never."
)
_ADVICE = Text("""Take up the data where they were left, and shuffle each epoch by its own number:

```python
import itertools

epoch, seen = 2, 1                                # saved with the weights: batches of this epoch that were taken
torch.manual_seed(1000 + epoch)                   # or sampler.set_epoch(epoch): the order of this epoch, and of no other
loader = torch.utils.data.DataLoader(dataset, batch_size=8, shuffle=True)
for x, y in itertools.islice(loader, seen, None):  # the next epoch begins at 0
    model(x)
```

- torchdata's `StatefulDataLoader` has a `state_dict()` to save and load, also for streams and with workers.
- Accelerate: `accelerator.skip_first_batches(loader, seen)`. Transformers: leave `ignore_data_skip=False`. Lightning resumes after whole epochs, unless
  the loader has a state of its own.
- What is drawn at random without a loader needs another seed after each resume (`seed + step`), or its generator's state.""")


@dataclass(frozen=True)
class DataSeenBefore:
    """After a resume the training begins its data anew.

    Why it matters: a job that is interrupted again and again trains on the first part of its data over and over and never sees the rest. What was
    seen makes the loss look better than it is.

    How it decides: another process took up the run, and the batches of its check-ups are, all of them and one by one, those that an earlier process
    had as many steps after its own beginning; at least `min_checks` that differ from each other. A warning where the
    DataLoader's length says that the run was resumed within an epoch, or where it was resumed so several times and no length of an epoch divides
    all steps between them without two batches at the same place of an epoch being different. An information where neither is known, and nothing
    where the run was resumed at the end of an epoch, give or take a step for each.

    What to try first: save how many batches of the epoch were taken, and skip as many.

    Guards against: steps that were taken back and are done again with their data; a new order in each epoch; a training set of one batch or a few.

    References: Lightning-AI/pytorch-lightning issues 18780 and 21938; mosaicml/streaming issue 880; Stas Bekman, Machine Learning Engineering, "Instabilities: data sampler".
    """

    code: ClassVar[str] = "LD810"
    name: ClassVar[str] = "data-seen-before"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The data began anew at a resume")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.BATCH_NUMBER,
        q.EPOCH_BATCHES,
        q.EPOCH_TAKEN,
        q.BACKWARDS,
        q.STEPS,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: check-ups, the first three of consecutive steps; two batches have the same number once in 16 million
    min_checks: int = 5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model, of the first resume of those that say most."""
        if q.BATCH_NUMBER not in run:
            raise not_recorded(q.BATCH_NUMBER)
        starts = resumes(run)
        if not starts:
            raise NotEnough(Text("a run that was resumed by another process"))
        for each in columns(run, q.BATCH_NUMBER):
            again = seen_again(run, each, starts, self.min_checks)
            found = [f for f in (self._judge(run, again, one) for one in again.resumed) if f]
            yield from sorted(found, key=lambda one: one.severity is not self.severity)[:1]

    def _judge(self, run: Run, again: SeenAgain, resumed: Resumed) -> Finding | None:
        where = place(run, again.column, resumed.begins)
        if where is not None and where.at_an_end:
            return None
        how, severity = _PERHAPS, Severity.INFO
        if where is not None:
            how = _MIDDLE.format(taken=short_number(where.steps), epoch=str(where.epoch))
            severity = self.severity
        elif not again.may_be_epochs:
            how, severity = _NO_EPOCHS, self.severity
        return self._finding(again.column, resumed, how, severity)

    def _finding(self, column: str, resumed: Resumed, how: Text, severity: Severity) -> Finding:
        checks = len(resumed.steps)
        message = _MESSAGE.format(
            step=str(resumed.begins),
            checks=short_number(checks),
            model=model(column),
            how=how,
        )
        ends = resumed.begins, int(resumed.steps[-1])
        evidence = Evidence(q.BATCH_NUMBER.name, column, *ends)
        numbers = {"checks": checks}
        return Finding(self.code, severity, column, (evidence,), message, _ADVICE, numbers)
