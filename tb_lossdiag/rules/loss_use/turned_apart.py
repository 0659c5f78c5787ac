"""LD546 turned-apart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, not_recorded, too_few
from tb_lossdiag.analysis.pairing import Correlation, correlations, paired, unknown
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.rules.loss_use.laid_across import ACROSS_ADVICE, Laid, convolves, laid
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Targets of `{call}` fit as well when they are turned over: over {checks} check-ups predictions have {own} in common with their own targets beyond those of other samples, and {turned} (± {error}) beyond the same targets turned over."
)
_ONE_WAY = Text(
    "Over {checks} check-ups predictions of {percent}% of the pictures are clearly those of the target turned {way}, and of {other}% those of the target turned {across}: the pictures given to `{call}` are turned {way} at random, and their targets are not, or by a draw of their own."
)
_CORRELATIONS = q.CALL_PAIRED, q.CALL_PAIRED_ERROR, q.CALL_TURNED, q.CALL_TURNED_ERROR
_SIDES = (q.CALL_UPSIDE_DOWN, Text("upside down")), (q.CALL_MIRRORED, Text("left to right"))
_SURE = 2
"""Standard errors; of few labelled pixels chance alone gives the rest."""
_ADVICE = Text("""A random turn is drawn twice, once for the picture and once for its target. Draw it once for both:

```python
picture, mask = torch.rand(8, 3, 32, 32), torch.randint(2, (8, 32, 32))
turn = torch.rand(len(picture)) < 0.5
picture = torch.where(turn[:, None, None, None], picture.flip(-1), picture)
mask = torch.where(turn[:, None, None], mask.flip(-1), mask)
```

torchvision's `transforms.v2` turns an image and its `tv_tensors.Mask` together when both are given in one call; with two calls, the generator
must be put back in between. Where what is sought lies at random in pictures whose targets say nothing of left and right, it is right: accept
the finding in `lossdiag.toml`.""")


@dataclass(frozen=True)
class TurnedApart:
    """A picture and its target are turned over independently of each other.

    Why it matters: the model learns the mean of what it should say and its mirror image. The loss falls to what that costs and stays there, and
    the curve looks like that of a hard task.

    How it decides: in at least `min_checks` check-ups predictions have `min_paired` or more in common with their own targets, beyond
    those of other samples (a correlation); beyond the same targets turned over (upside down, left to right, both; the way that tells least) they have,
    all these check-ups together, at most `max_share` of that, also where two standard errors are added. Or, in these check-ups, predictions are clearly those of the target turned one way for `min_turned` of the pictures or more,
    also where a standard error is taken off and in the newest `min_checks`, and for `max_across` or less those of the target turned the other way.
    Or the colours of the picture that the model is given explain, place by place and beyond another sample's, `min_explained` or more of square targets whose width and height change
    places, and of the targets as they lie at most `max_share` of that, on average over all check-ups and the newest `min_checks`, while the targets of another call lie as the picture does or the model convolves. Unit: 1.

    What to try first: one draw for the picture and its target.

    Guards against: the first steps, in which nothing is in common; pictures that are nearly the same turned over (not compared); small
    batches, whose standard error is large; models of other kinds that are meant to turn what they are given.

    References: torchvision, "Transforms v2: end-to-end object detection/segmentation example"; fastai issue 245.
    """

    code: ClassVar[str] = "LD546"
    name: ClassVar[str] = "turned-apart"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Pictures and their targets are turned apart")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        *_CORRELATIONS, q.CALL_UPSIDE_DOWN, q.CALL_MIRRORED, q.CALL_SAMPLES, q.CALL_UPRIGHT, q.CALL_ACROSS, q.MODULE_KIND,
        q.MODULE_FED_BY, q.MODULE_LAST,
    )  # fmt: skip
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD105", "LD108", "LD109", "LD523")

    #: check-ups; of fewer chance has a say
    min_checks: int = 3
    #: correlation, 1; a model that has learned nothing yet has 0
    min_paired: float = 0.3
    #: of what predictions and their own targets have in common, 1; trained models had 0.55 to 1, with turns apart -0.2 to 0.3
    max_share: float = 0.35

    #: of the targets, 1; masks and pictures themselves have 0.3 to 1, with width and height in each other's place 0 to 0.1
    min_explained: float = 0.2
    #: share of the pictures, 1; half of them are turned as a rule, and of these most are told
    min_turned: float = 0.25
    #: the same of the other way, 1; trained models had 0
    max_across: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call whose targets fit as well turned over, or lie across."""
        maps = laid(run)
        judged = any(len(each.steps) >= self.min_checks for each in maps)
        across = [*self._across(run, maps)]
        yield from across
        unknown_turns = any(each not in run for each in _CORRELATIONS)
        if not across and not (judged and unknown_turns):
            yield from self._turned(run, judged=judged)

    def _across(self, run: Run, maps: list[Laid]) -> Iterator[Finding]:
        """Maps with width and height in each other's place, beside others that lie as the pictures do, or of a model that convolves."""
        bounds = self.min_checks, self.min_explained, self.max_share
        upright = any(each.lies(*bounds, across=False) for each in maps)
        for each in maps:
            if each.lies(*bounds, across=True) and (upright or convolves(run)):
                numbers = {
                    "across": float(each.across.mean()),
                    "upright": float(each.upright.mean()),
                }
                evidence = each.evidence(self.min_explained)
                yield Finding(
                    self.code,
                    self.severity,
                    each.call,
                    (evidence,),
                    each.message(),
                    ACROSS_ADVICE,
                    numbers,
                )

    def _turned(self, run: Run, *, judged: bool) -> Iterator[Finding]:
        if missing := [quantity for quantity in _CORRELATIONS if quantity not in run]:
            raise not_recorded(*missing)
        own = paired(run)
        turned = correlations(run, q.CALL_TURNED, q.CALL_TURNED_ERROR)
        for call, beyond in turned.items():
            known = own.get(call, unknown(call)).at(beyond.steps)
            learned = known.at(known.steps[known.values >= self.min_paired])
            if len(learned) >= self.min_checks:
                judged = True
                found = [*self._judged(learned, beyond.at(learned.steps))]
                yield from found or self._one_way(run, learned)
        if not judged:
            raise too_few(
                self.min_checks,
                Text(
                    "check-ups in which predictions have something to do with pictures as targets"
                ),
            )

    def _judged(self, own: Correlation, beyond: Correlation) -> Iterator[Finding]:
        (paired, _), (turned, error) = own.pooled(), beyond.pooled()
        if turned + _SURE * error > self.max_share * paired:
            return
        message = _MESSAGE.format(
            call=own.call,
            checks=short_number(len(own)),
            own=short_number(paired),
            turned=short_number(turned),
            error=short_number(error),
        )
        ends = int(own.steps[0]), int(own.steps[-1])
        bound = self.max_share * paired
        evidence = Evidence(q.CALL_TURNED.name, own.call, *ends, turned, bound)
        numbers = {"checks": len(own), "own": paired, "turned": turned, "error": error}
        yield Finding(self.code, self.severity, own.call, (evidence,), message, _ADVICE, numbers)

    def _one_way(self, run: Run, learned: Correlation) -> Iterator[Finding]:
        """Pictures that are turned along one axis only: of the other one the model knows how its answer lies."""
        if any(quantity not in run for quantity, _ in _SIDES) or q.CALL_SAMPLES not in run:
            return
        shares = np.stack(
            [at_steps(run, quantity, learned.steps, learned.call) for quantity, _ in _SIDES]
        )
        known = np.isfinite(shares).all(0)
        if known.sum() < self.min_checks:
            return
        samples = at_steps(run, q.CALL_SAMPLES, learned.steps, learned.call)[known]
        mean = np.average(shares[:, known], axis=1, weights=samples)
        most = int(mean.argmax())
        share, across = float(mean[most]), float(mean[1 - most])
        error = math.sqrt(share * (1 - share) / samples.sum())
        newest = float(shares[most, known][-self.min_checks :].mean())
        if min(share - error, newest) < self.min_turned or across > self.max_across:
            return
        message = _ONE_WAY.format(
            call=learned.call,
            checks=str(int(known.sum())),
            percent=short_number(100 * share),
            way=_SIDES[most][1],
            other=short_number(100 * across),
            across=_SIDES[1 - most][1],
        )
        ends = int(learned.steps[known][0]), int(learned.steps[known][-1])
        evidence = Evidence(_SIDES[most][0].name, learned.call, *ends, share, self.min_turned)
        numbers = {"share": share, "across": across}
        yield Finding(
            self.code, self.severity, learned.call, (evidence,), message, _ADVICE, numbers
        )
