"""LD112 loss-above-chance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.curve import Curve, curve_of, needs_one_model
from tb_lossdiag.analysis.maturity import needs_beginning
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The loss begins at {start}. Guessing between {classes} tokens costs {chance}, and no vocabulary in use is larger: the model is surely wrong about its targets.{later}"
)
_UNSURE = Text(
    "The loss begins at {start}, stands at {end} since the middle of the run and is logged as Transformers does: if it is a cross-entropy over tokens, guessing between {classes} of them costs {chance}, and the model was surely wrong about its targets.{later}"
)
_LATER = Text(" It is still above after a tenth of the run.")
_NOTHING = Text("")
_ADVICE = Text("""Decode one batch and read it:

```python
print(tokenizer.decode(inputs["input_ids"][0]))
print(tokenizer.decode([t for t in inputs["labels"][0].tolist() if t >= 0]))
```

- Labels of other samples (shuffled, sorted, or padded separately), shifted twice, or from another tokenizer.
- A head that does not fit: newly made, resized after the weights were loaded, or tied to something else.
- A sum where a mean is meant: over tokens, or over the parts of an accumulated batch.

A loss that is no cross-entropy may begin anywhere: then give `--ignore LD112`, or the number of classes with `--set LD112.classes=…`.""")


@dataclass(frozen=True)
class LossAboveChance:
    """A language model begins worse than guessing.

    Why it matters: a pretrained model that is surely wrong is told wrong things; what it knew is trained away to fit them.

    How it decides: the median of the first three records is above ln of `classes`. Where tags tell of tokens or perplexity, that is a
    warning, and an error while the loss is still above after a tenth of the run. A log with Transformers' tags alone must also stand
    still over its second half (within `still`), at `min_left` of its start or more. Unit: nats.

    What to try first: decode the labels of one batch.

    Guards against: runs whose loss calls were seen (LD106 knows their classes); resumed runs; losses that fall on, as those of connectionist
    temporal classification and unscaled regression do; agents and games (not evaluated).

    References: Karpathy 2019, "A recipe for training neural networks", verify the loss at the start; public QLoRA logs with shuffled labels
    begin at 15.3 to 18.9.
    """

    code: ClassVar[str] = "LD112"
    name: ClassVar[str] = "loss-above-chance"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The first loss is worse than guessing")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_VALUE,
        q.STEPS,
        q.LOSS_OF_ANOTHER,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD523",
    )

    #: tokens; the largest vocabularies in use have 262,144
    classes: int = 262_144
    #: records of the whole run
    min_records: int = 10
    #: share of the start, 1, that the loss moves from the third quarter to the last at most
    still: float = 0.05
    #: share of the start, 1; other losses that begin so high come down further
    min_left: float = 0.25

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for a log of a language model."""
        sure = "language" in run.facts
        if q.CALL_VALUE in run or not (sure or _by_transformers(run)):
            raise NotEnough(
                Text(
                    "a log of tokens or perplexity beside the loss, or one that Transformers wrote"
                )
            )
        needs_one_model(run)
        loss = curve_of(run, q.LOSS)
        loss.needs(self.min_records)
        needs_beginning(loss)
        chance = math.log(self.classes)
        if chance < loss.start < np.inf and (sure or self._stays(loss)):
            yield self._finding(loss, chance, sure=sure)

    def _stays(self, loss: Curve) -> bool:
        quarter = len(loss) // 4
        third, last = (
            float(np.median(part))
            for part in (loss.values[-2 * quarter : -quarter], loss.values[-quarter:])
        )
        return (
            abs(third - last) <= self.still * loss.start
            and self.min_left * loss.start <= last < loss.start
        )

    def _finding(self, loss: Curve, chance: float, *, sure: bool) -> Finding:
        tenth = max(3, len(loss) // 10)
        late = float(np.median(loss.values[tenth : 2 * tenth])) > chance
        message = (_MESSAGE if sure else _UNSURE).format(
            start=short_number(loss.start),
            end=short_number(float(np.median(loss.values[len(loss) // 2 :]))),
            classes=f"{self.classes:,}",
            chance=short_number(chance),
            later=_LATER if late else _NOTHING,
        )
        severity = Severity.ERROR if sure and late else self.severity
        ends = int(loss.steps[0]), int(loss.steps[min(2, len(loss) - 1)])
        evidence = Evidence(q.LOSS.name, "", *ends, loss.start, chance)
        numbers = {"start": loss.start, "chance": chance}
        return Finding(self.code, severity, "", (evidence,), message, _ADVICE, numbers)


def _by_transformers(run: Run) -> bool:
    """Whether the tags are those that Transformers' callback writes."""
    tags = {part.partition("=")[2] for part in run.facts.get("scalars", "").split(", ")}
    return {"train/loss", "train/grad_norm", "train/learning_rate"} <= tags
