"""LD303 clip-before-unscale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import (
    Sighting,
    at_steps,
    column_in_force,
    columns,
    counts_at,
    not_recorded,
    too_few,
    value_in_force,
)
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{count} of {all} {what} reached gradients that still carried the GradScaler's factor{factor}, first at step {first}."
)
_CLIPS = Text("clips")
_CHECK_UPS = Text("check-ups with a clip")
_FACTOR = Text(" of {scale}")
_ADVICE = Text("""Divide the scale out before clipping:

```python
scaler.scale(loss).backward()
scaler.unscale_(optimizer)  # was missing, or came after the clip
writer.clip_grad_norm_(model.parameters(), max_norm={max_norm})
scaler.step(optimizer)
scaler.update()
```

{effect}The right order clips far less: look at LD301 and at the learning rate again afterwards.""")
_EFFECT = Text("As it stands the bound on the true gradients is {max_norm} / {scale} = {true}. ")


@dataclass(frozen=True)
class ClipBeforeUnscale:
    """The gradients are clipped while they still carry the GradScaler's factor.

    Why it matters: the factor is in the tens of thousands, so nearly every step is clipped, to a tiny length once the factor is
    divided out; and the bound changes whenever the scaler does.

    How it decides: the clip came before `scaler.unscale_(optimizer)`, in more than `min_share` of the clips whose order was seen
    and in `min_records` records (`min_check_ups` check-ups) at least. In check-ups the step must also have come out shorter than `max_coefficient` times the
    unscaled gradient. Unit: share of clips.

    What to try first: `scaler.unscale_(optimizer)` right before the clip.

    Guards against: a scaler that is switched off or has factor 1; a bound that was multiplied by the scale on purpose (`max_norm`
    at least `min_scaled_bound` times the scale); clips that only measure.

    References: PyTorch, Automatic Mixed Precision examples, "Gradient clipping".
    """

    code: ClassVar[str] = "LD303"
    name: ClassVar[str] = "clip-before-unscale"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Gradients are clipped while scaled")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CLIP_BEFORE_UNSCALE,
        q.CLIP_CALLS,
        q.CLIP_MAX_NORM,
        q.CLIP_WHILE_SCALED,
        q.BACKWARD_NORM,
        q.STEP_NORM,
        q.UNSCALE_FACTOR,
        q.AMP_SCALE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD301", "LD523", "LD602")

    #: share of the clips whose order was seen, 1; the order is the same in every step of a loop
    min_share: float = 0.5
    #: records; one or two can be a leftover of the loop's beginning
    min_records: int = 3
    #: check-ups, which are rare and see each the whole loop
    min_check_ups: int = 2
    #: norm at the step over unscaled norm after backward, 1; a plain bound under a scale of 2^10 and more leaves far less
    max_coefficient: float = 0.1
    #: max_norm over scale, 1; plain bounds lie between 0.1 and 10, scales above 2^8
    min_scaled_bound: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per clip call that comes too early; the check-up speaks where no clip's order was recorded."""
        if q.CLIP_BEFORE_UNSCALE not in run and q.CLIP_WHILE_SCALED not in run:
            raise not_recorded(q.CLIP_BEFORE_UNSCALE, q.CLIP_WHILE_SCALED)
        ledger = [
            s for s in columns(run, q.CLIP_BEFORE_UNSCALE) if len(s.steps) >= self.min_records
        ]
        checked = [
            s for s in columns(run, q.CLIP_WHILE_SCALED) if len(s.steps) >= self.min_check_ups
        ]
        if not ledger and not checked:
            raise too_few(
                self.min_records, Text("clips whose order relative to unscale_() was seen")
            )
        for order in ledger:
            yield from self._recorded(run, order)
        for order in checked if not ledger else ():
            yield from self._checked(run, order)

    def _recorded(self, run: Run, order: Sighting) -> Iterator[Finding]:
        calls = counts_at(run, q.CLIP_CALLS, order.steps, order.column, 1.0)
        bound = at_steps(run, q.CLIP_MAX_NORM, order.steps, order.column)
        scale = column_in_force(run, q.AMP_SCALE, order.steps)
        harmless = (scale <= 1) | (bound >= self.min_scaled_bound * scale)
        early = np.where(harmless, 0.0, np.clip(order.values, 0.0, 1.0) * calls)
        yield from self._judge(run, q.CLIP_BEFORE_UNSCALE, order, (early, calls))

    def _checked(self, run: Run, order: Sighting) -> Iterator[Finding]:
        at = order.steps, order.column
        unscale = at_steps(run, q.UNSCALE_FACTOR, *at)
        left = at_steps(run, q.STEP_NORM, *at) / (at_steps(run, q.BACKWARD_NORM, *at) * unscale)
        strong = ~(left >= self.max_coefficient) & (unscale != 1)
        early = ((order.values > 0) & strong).astype(float)
        clips = np.maximum(early, order.values == 0)
        yield from self._judge(run, q.CLIP_WHILE_SCALED, order, (early, clips))

    def _judge(
        self, run: Run, quantity: Quantity, order: Sighting, counts: tuple[Doubles, Doubles]
    ) -> Iterator[Finding]:
        early, clips = counts
        rows = np.flatnonzero(early > 0)
        least = self.min_records if quantity is q.CLIP_BEFORE_UNSCALE else self.min_check_ups
        if len(rows) < least or early.sum() <= self.min_share * clips.sum():
            return
        ends = int(order.steps[rows[0]]), int(order.steps[rows[-1]])
        scale = value_in_force(run, q.AMP_SCALE, ends[1])
        bound = value_in_force(run, q.CLIP_MAX_NORM, ends[1], order.column)
        numbers = {"early": float(early.sum()), "clips": float(clips.sum())}
        numbers |= {"scale": scale} if np.isfinite(scale) else {}
        share = numbers["early"] / numbers["clips"]
        evidence = Evidence(quantity.name, order.column, *ends, share, self.min_share)
        message = _message(quantity, numbers, ends[0])
        advice = _advice(scale, bound)
        yield Finding(self.code, self.severity, order.column, (evidence,), message, advice, numbers)


def _message(quantity: Quantity, numbers: dict[str, float], first: int) -> Text:
    what = _CLIPS if quantity is q.CLIP_BEFORE_UNSCALE else _CHECK_UPS
    scale = numbers.get("scale")
    factor = Text("") if scale is None else _FACTOR.format(scale=short_number(scale))
    words = {
        "count": short_number(round(numbers["early"])),
        "all": short_number(round(numbers["clips"])),
        "first": str(first),
    }
    return _MESSAGE.format(what=what, factor=factor, **words)


def _advice(scale: float, bound: float) -> Text:
    known = bool(np.isfinite(bound) and bound > 0)
    max_norm = short_number(bound) if known else "1.0"
    effect = Text("")
    if known and np.isfinite(scale) and scale > 1:
        effect = _EFFECT.format(
            max_norm=max_norm, scale=short_number(scale), true=short_number(bound / scale)
        )
    return _ADVICE.format(max_norm=max_norm, effect=effect)
