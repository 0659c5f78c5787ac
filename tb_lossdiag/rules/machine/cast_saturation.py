"""LD806 cast-saturation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.inside import Seen, seen
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_CLIPPED = Text(
    "Numbers are too large for FP8: in {count} of {all} casts, more than {bound}% of the elements lay beyond ±{limit} in each of the last {checks} check-ups, most of all in `{name}`, {percent}% at step {step}."
)
_FLUSHED = Text(
    "Numbers are too small for FP8: in {count} of {all} casts, more than {bound}% of the sum of their sizes became 0 in each of the last {checks} check-ups, most of all in `{name}`, {percent}% at step {step}."
)
_BROKEN = Text(
    "At step {step} the cast to FP8 in `{name}` made no number of its largest element, which is beyond the ±{limit} of the format: NaN or infinity goes on from there."
)
_ADVICE = Text("""The scale does not fit the numbers that are multiplied by it. Take it from the numbers themselves, and clamp before the cast:

```python
limit = torch.finfo(torch.float8_e4m3fn).max
scale = limit / x.abs().amax().clamp(min=1e-12)
small = (x * scale).clamp(-limit, limit).to(torch.float8_e4m3fn)
```

The result of the product is then divided by the scales. A scale that comes from earlier steps needs their largest numbers from each step, from
every part of an accumulated batch, and again after a resume; multiply by it, where the other side divides. What grows from step to step
needs a margin or a shorter history. First and last layers are often left in bfloat16.""")


@dataclass(frozen=True)
class CastSaturation:
    """Casts to FP8 (8-bit floating-point numbers) clip, or make 0, more than rounding would.

    Why it matters: a number beyond the format's largest (448 for E4M3, 57344 for E5M2) is cut off, or becomes NaN or infinite; one below its smallest is 0. Both
    are bias, not noise: the layer computes something else, and its gradient does not know.

    How it decides: check-ups look at what the model casts to such a format in its forward pass, at a clamp to the format's limit before it too. In each of the
    newest `min_checks`, at step `min_step` or later, more than `max_clipped` of a tensor's elements are beyond 1.15 times the limit, or more than
    `max_flushed` of the sum of their absolute values becomes 0. Or, once, the cast makes NaN or infinity of a number. Units: shares.

    What to try first: a scale from the tensor itself in each step.

    Guards against: scales that are powers of two, as in block formats, which leave numbers at up to 1.143 of the limit; one outlier that a delayed scale did
    not expect; histories that have not filled yet; small numbers beside large ones, many of which become 0 and together are nothing. Casts
    within a backward pass, of a compiled model, or within somebody's CUDA kernels are not seen.

    References: Micikevicius et al. 2022, FP8 Formats for Deep Learning (arXiv 2209.05433), section 3; Rouhani et al. 2023, Microscaling Data Formats
    (arXiv 2310.10537); NVIDIA/TransformerEngine issue 1047, whose stale scales were right in the first part of a batch only;
    meta-pytorch/float8_experimental pull request 33.
    """

    code: ClassVar[str] = "LD806"
    name: ClassVar[str] = "cast-saturation"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("FP8 casts clip or lose numbers")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.FP8_LIMIT,
        q.FP8_CLIPPED,
        q.FP8_FLUSHED,
        q.FP8_BROKEN,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD104", "LD105", "LD109", "LD201", "LD205", "LD206", "LD523", "LD608", "LD705",
    )  # fmt: skip
    setting: ClassVar[str] = settings.PRECISION

    #: share of elements, 1; calibrated ranges leave a thousandth or less outside
    max_clipped: float = 0.01
    #: share of the sum of absolute values, 1; rounding to 3 bits changes each by 3 % on average, a fitting scale loses a thousandth
    max_flushed: float = 0.1
    #: check-ups; a single one may be an outlier's
    min_checks: int = 3
    #: steps; by then a history of 16 largest values is full
    min_step: int = 16

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for what breaks, one for what is clipped, one for what is lost."""
        broken = {one.name: one for one in seen(run, q.FP8_BROKEN, 1) if (one.values > 0).any()}
        if broken:
            yield self._broken(run, next(iter(broken.values())))
        judged = [one for one in self._late(run, q.FP8_CLIPPED) if one.name not in broken]
        lost = [one for one in self._late(run, q.FP8_FLUSHED) if one.name not in broken]
        if not judged and not broken:
            needs = Text("{count} check-ups of casts to FP8, one of them at step {step} or later")
            raise NotEnough(needs.format(count=str(self.min_checks), step=str(self.min_step)))
        for columns, bound, words in (
            (judged, self.max_clipped, _CLIPPED),
            (lost, self.max_flushed, _FLUSHED),
        ):
            sick = [one for one in columns if (one.values[-self.min_checks :] > bound).all()]
            if sick:
                yield self._finding(run, sick, len(columns), bound, words)

    def _late(self, run: Run, quantity: Quantity) -> list[Seen]:
        every = seen(run, quantity, self.min_checks)
        return [one for one in every if one.steps[-1] >= self.min_step]

    def _finding(
        self, run: Run, sick: list[Seen], count: int, bound: float, words: Text
    ) -> Finding:
        worst = max(sick, key=lambda one: one.values[-1])
        step, share = int(worst.steps[-1]), float(worst.values[-1])
        message = words.format(
            count=str(len(sick)),
            all=str(count),
            bound=short_number(100 * bound),
            checks=str(self.min_checks),
            limit=_limit(run, worst.name),
            name=worst.name,
            percent=short_number(100 * share),
            step=str(step),
        )
        quantity = q.FP8_CLIPPED if words is _CLIPPED else q.FP8_FLUSHED
        begin = int(worst.steps[-self.min_checks])
        evidence = Evidence(quantity.name, worst.name, begin, step, share, bound)
        numbers = {"share": share, "casts": len(sick)}
        return Finding(self.code, self.severity, worst.name, (evidence,), message, _ADVICE, numbers)

    def _broken(self, run: Run, cast: Seen) -> Finding:
        step = int(cast.steps[cast.values > 0][0])
        message = _BROKEN.format(step=str(step), name=cast.name, limit=_limit(run, cast.name))
        evidence = Evidence(q.FP8_BROKEN.name, cast.name, step, step, 1.0, 0.0)
        return Finding(
            self.code, Severity.ERROR, cast.name, (evidence,), message, _ADVICE, {"step": step}
        )


def _limit(run: Run, name: str) -> str:
    known = (one.values[-1] for one in seen(run, q.FP8_LIMIT, 1) if one.name == name)
    return short_number(next(known, np.nan))
