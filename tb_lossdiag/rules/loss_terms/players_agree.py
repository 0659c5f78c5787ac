"""LD411 players-agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import level
from tb_lossdiag.analysis.players import players, start, summed
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The losses of both players have come to nothing: `{judge}` is at {judged}, {share}% of its start, over the last {percent}% of the run, and `{maker}` is at {made}, although a maker that is to fool the judge pays the more the surer the judge is."
)
_ADVICE = Text("""The maker is rewarded where the judge is right about it: it helps to be found out. Its fakes must be judged with the label of what is real:

```python
judged = discriminator(fake)  # not detached
loss = torch.nn.functional.binary_cross_entropy_with_logits(judged, torch.ones_like(judged))
```

The same if the labels were turned round (fakes are 1): then the maker's label is 0. A loss such as a hinge or a distance takes the judge's
score of fakes with the opposite sign of the one that the judge takes it with.""")


@dataclass(frozen=True)
class PlayersAgree:
    """The maker's loss falls to nothing together with the judge's: they don't play against each other.

    Why it matters: a generator whose loss falls when the discriminator is right learns to be found out. Its samples move away from the
    data, while both losses look as if all went well.

    How it decides: two watched models and a loss term of each (told by their names: D, discriminator, critic; G, generator), both never
    negative. Over the last `min_stretch` of the records the judge's is at most `max_floor` of its start, and the maker's is below the
    judge's and below `max_kept` of its own highest level, in all but `max_escapes` of them. Unit: 1.

    What to try first: the label that the maker's samples are judged with in its own loss.

    Guards against: a judge that has won (then the maker's loss rises: at a cross-entropy of 0.05 for the judge a maker pays 3 at least);
    losses that may be negative; a maker's loss of another scale, which is low from the start; terms
    that say of neither player (one of them may be what the maker plays with).

    References: Goodfellow et al. 2014 (arXiv 1406.2661, section 3); PyTorch, "DCGAN Tutorial", on the real labels in the generator's loss.
    """

    code: ClassVar[str] = "LD411"
    name: ClassVar[str] = "players-agree"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The maker is rewarded where the judge is right")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GLOBAL_NORM, q.LOSS_TERM)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD201", "LD205", "LD401", "LD402", "LD602", "LD709")

    #: level of the judge's loss over its start, 1; of both at the level of chance, that of a judge in its prime is a tenth
    max_floor: float = 0.05
    #: level of the maker's loss over its highest level, 1; half would be a matter of the game
    max_kept: float = 0.2
    #: share of the records up to the end, 1; being ahead for a while is part of the game
    min_stretch: float = 0.2
    #: records in that stretch
    min_records: int = 20
    #: share of that stretch, 1; a strong judge is fooled now and then
    max_escapes: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if both players have won."""
        _, terms = players(run)
        if set(run[q.LOSS_TERM].columns) - {*terms["judge"], *terms["maker"]}:
            raise NotEnough(
                Text("loss terms of which each is the discriminator's or the generator's")
            )
        steps, judge, maker = _beside(run, terms["judge"], terms["maker"])
        least = int(self.min_records / self.min_stretch)
        if len(steps) < least or min(judge.min(), maker.min()) < 0:
            raise NotEnough(
                Text("at least {least} records of two losses that are never negative").format(
                    least=least
                )
            )
        late = slice(-max(self.min_records, int(self.min_stretch * len(steps))), None)
        bounds = self.max_floor * start(judge), self.max_kept * level(maker, 5).max()
        both = (judge <= bounds[0]) & (maker <= np.minimum(judge, bounds[1]))
        if both[late].mean() < 1 - self.max_escapes:
            return
        ends = int(steps[late][0]), int(steps[-1])
        judged, made = (float(np.median(values[late])) for values in (judge, maker))
        names = terms["judge"][0], terms["maker"][0]
        message = _MESSAGE.format(
            judge=names[0],
            judged=short_number(judged),
            share=short_number(100 * judged / start(judge)),
            percent=f"{100 * self.min_stretch:g}",
            maker=names[1],
            made=short_number(made),
        )
        evidence = (
            Evidence(q.LOSS_TERM.name, names[1], *ends, made, bounds[1]),
            Evidence(q.LOSS_TERM.name, names[0], *ends, judged, bounds[0]),
        )
        numbers = {"judged": judged, "made": made}
        yield Finding(self.code, self.severity, names[1], evidence, message, _ADVICE, numbers)


def _beside(run: Run, judge: list[str], maker: list[str]) -> tuple[Steps, Doubles, Doubles]:
    """Both losses at the steps that have both."""
    (steps, one), (others, two) = summed(run, judge), summed(run, maker)
    both, mine, theirs = np.intersect1d(steps, others, return_indices=True)
    return both, one[mine], two[theirs]
