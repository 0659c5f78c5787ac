"""LD539 uniform-collapse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.curve import Curve, curve_of
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_TRIPLET = ("triplet_margin_loss", "triplet_margin_with_distance_loss")
_MESSAGE = Text(
    "The model and its second network have agreed to say nothing: since step {first} the loss lies at {level}, the logarithm of its {outputs} outputs ({chance}), which every sample gets alike."
)
_ADVICE = Text("""Nothing asks the second network to prefer an output, so both end at the uniform answer. What keeps a self-distillation from it, in this order:

```python
temperature = 0.04  # of the teacher, below the student's 0.1, and lower still at the beginning
seen = output.detach()
targets = ((seen - seen.mean(0)) / temperature).softmax(dim=-1)
print(float(-(targets * targets.log()).sum(-1).mean()))  # must stay below the logarithm of the number of outputs
```

- a sharper teacher, with a warm-up of its temperature;
- centring that follows more slowly (a momentum of 0.9 to 0.99), since centring alone pulls to uniform;
- a smaller learning rate, the last layer frozen in the first epoch, a higher momentum of the teacher.""")
_MARGIN = Text(
    "`{call}` is the margin itself ({level}) in the last {checks} check-ups, and its embeddings hardly differ: all samples lie in one point, so all distances are 0."
)
_MARGIN_ADVICE = Text("""The hardest negatives of a batch pull everything together before anything is apart. Begin with softer ones, or with a smaller learning rate:

```python
embeddings = F.normalize(model(inputs).detach(), dim=-1)
distances = torch.cdist(embeddings, embeddings)
print(float(distances.mean()))  # 0 where all lie in one point
```

Mine semi-hard negatives (farther than the positive, nearer than the margin), or average over all triplets that violate the margin; do not
take a square root at 0; check that anchors, positives and negatives come of different rows.""")


@dataclass(frozen=True)
class UniformCollapse:
    """All samples get the same embedding, and the loss is the one value that this gives.

    Why it matters: it is a solution that the loss allows. It falls no further, the curve looks like a plateau, and the features are worthless.

    How it decides: a second network (a teacher) is called, there is no loss of class labels, and in the last quarter of at least
    `min_records` records the loss lies within `tolerance` of ln K, K being the numbers that the model returns for a sample. Or a triplet
    loss lies within `margin_tolerance` of its margin in the last `min_checks` check-ups while its anchors vary by less than
    `max_variation` of their size. Unit: 1.

    What to try first: a sharper teacher; softer negatives.

    Guards against: the first steps; classifiers at guessing (LD104); teachers with another number of outputs; mined negatives, whose loss is
    near the margin while embeddings differ.

    References: Caron et al. 2021, DINO (arXiv 2104.14294), figure 7; facebookresearch/dinov2 issue 407; Hermans et al. 2017, In defense of
    the triplet loss (arXiv 1703.07737), section 3.2.
    """

    code: ClassVar[str] = "LD539"
    name: ClassVar[str] = "uniform-collapse"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Everything has collapsed to one answer")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS, q.OUTPUT_WIDTH, q.COPY_DISTANCE, q.CALL_TARGET_INDEX, q.CALL_MARGIN, q.CALL_VALUE, q.CALL_VARIATION,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD105",
        "LD109",
        "LD523",
        "LD602",
        "LD705",
        "LD707",
    )

    #: records; the quarter that is judged has ten
    min_records: int = 40
    #: of ln K, 1; a model that still prefers outputs is farther away
    tolerance: float = 0.005
    #: outputs; of fewer, other losses lie there by chance
    min_outputs: int = 8
    #: check-ups up to the newest
    min_checks: int = 3
    #: of the margin, 1
    margin_tolerance: float = 0.02
    #: standard deviation over root mean square, 1; healthy embeddings have 0.3 and more
    max_variation: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per way in which everything has become one."""
        triplets = self._triplets(run)
        judged = bool(triplets)
        for call in triplets:
            if self._at_margin(call):
                yield self._one_point(call)
        if q.COPY_DISTANCE in run and q.LOSS in run and not _classifies(run):
            loss = curve_of(run, q.LOSS)
            for column, steps, widths in columns(run, q.OUTPUT_WIDTH):
                judged |= len(loss) >= self.min_records
                outputs = float(widths[-1])
                if len(steps) and self._uniform(loss, outputs):
                    yield self._agreed(column, loss, outputs)
        if not judged:
            raise NotEnough(
                Text(
                    "a second network beside a model with K outputs for a sample, or a triplet loss"
                )
            )

    def _triplets(self, run: Run) -> list[LossCallSeries]:
        if q.CALL_MARGIN not in run:
            return []
        return [c for c in calls(run, _TRIPLET) if len(c.steps) >= self.min_checks]

    def _at_margin(self, call: LossCallSeries) -> bool:
        last = slice(-self.min_checks, None)
        margin, value = call.of(q.CALL_MARGIN)[last], call.of(q.CALL_VALUE)[last]
        near = np.abs(value - margin) <= self.margin_tolerance * margin
        alike = call.of(q.CALL_VARIATION)[last] < self.max_variation
        return bool(np.all(near & alike & (margin > 0)))

    def _uniform(self, loss: Curve, outputs: float) -> bool:
        if len(loss) < self.min_records or outputs < self.min_outputs:
            return False
        late = loss.values[loss.row(0.75) :]
        apart = np.abs(late - math.log(outputs)) / math.log(outputs)
        return bool(np.median(apart) <= self.tolerance and apart.max() <= 4 * self.tolerance)

    def _agreed(self, column: str, loss: Curve, outputs: float) -> Finding:
        chance = math.log(outputs)
        first = int(loss.steps[loss.row(0.75)])
        level = float(np.median(loss.values[loss.row(0.75) :]))
        message = _MESSAGE.format(
            first=str(first),
            level=short_number(level),
            outputs=short_number(outputs),
            chance=short_number(chance),
        )
        evidence = Evidence(q.LOSS.name, "", first, int(loss.steps[-1]), level, chance)
        numbers = {"level": level, "outputs": outputs, "chance": chance}
        return Finding(self.code, self.severity, column, (evidence,), message, _ADVICE, numbers)

    def _one_point(self, call: LossCallSeries) -> Finding:
        hits = np.zeros(len(call.steps), bool)
        hits[-self.min_checks :] = True
        level, margin = (float(call.of(each)[-1]) for each in (q.CALL_VALUE, q.CALL_MARGIN))
        words = {"level": short_number(level), "checks": str(self.min_checks)}
        message = _MARGIN.format(call=call.name, **words)
        evidence = call.evidence(q.CALL_VALUE, hits, level, margin)
        numbers = {"level": level, "margin": margin}
        return Finding(
            self.code, self.severity, call.name, (evidence,), message, _MARGIN_ADVICE, numbers
        )


def _classifies(run: Run) -> bool:
    """Whether some loss has class indices for targets."""
    if q.CALL_TARGET_INDEX not in run:
        return False
    return bool((run[q.CALL_TARGET_INDEX].values == 1).any())
