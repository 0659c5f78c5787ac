"""LD511 output-range-mismatch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.activation_ranges import NAMES, RANGES, cross_entropy_floor
from tb_lossdiag.analysis.activation_ranges import ends as reach
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import (
    REGRESSION,
    LossCallSeries,
    calls,
    calls_if_any,
    counts,
    mostly,
)
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity, Source
from tb_lossdiag.rules.loss_use.range_of_real import Bounds, Unfit, unfit_makers
from tb_lossdiag.run import Run

_DISTANCE = (*REGRESSION, "gaussian_nll_loss", "mape_loss", "smape_loss", "custom")
_SQUASHERS = {
    "cross_entropy": (Source.RELU, Source.TANH, Source.SIGMOID),
    "binary_cross_entropy_with_logits": (Source.RELU, Source.TANH),
}

_ONE_UNIT = Text(
    "The output is a softmax over 1 unit, which is 1 whatever the input: `{call}` has no gradient ({count} of {checks} check-ups)."
)
_ONE_CLASS = Text(
    "`{call}` is over 1 class, whose probability is 1 whatever the input: it has no gradient ({count} of {checks} check-ups)."
)
_UNREACHED = Text(
    "The output ends in a {source}, which gives {low} to {high}, but the targets of `{call}` go from {least} to {most} ({count} of {checks} check-ups)."
)
_SQUASHED = Text(
    "`{call}` takes logits of any size, but the output ends in a {source}, which gives {low} to {high} ({count} of {checks} check-ups).{floor}"
)
_FLOOR = Text(" With {classes} classes the loss can't fall below {floor}.")
_NEVER_NO = Text(' No probability can be below 0.5, so "no" can\'t be learned.')
_LOG_RELU = Text(
    "`{call}` is given the logarithm of what a ReLU puts out ({count} of {checks} check-ups). Where the ReLU gives 0, the loss is at its worst or not a number, and there is no gradient to get away from there."
)
_SEVERAL = Text(
    "The output ends in a softmax, whose {outputs} values sum to 1, but {percent}% of the target rows of `{call}` do not: they name several classes or none ({count} of {checks} check-ups)."
)
_NOTHING = Text("")
_ONE_ADVICE = Text("""For a yes-or-no question, one raw output and the logistic loss:

```python
logits = model(x).squeeze(-1)  # a linear layer with one unit at the end, no softmax
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.float())
```

For a measured value, one raw output and `mse_loss`. For C classes, C units and `cross_entropy`.""")
_LINEAR_ADVICE = Text("""End the model with a linear layer, without {source}:

```python
model = torch.nn.Sequential(body, torch.nn.Linear(features, outputs))  # nothing after it
loss = torch.nn.functional.mse_loss(model(x), target)
```

To keep the {source}, bring the targets into its range, for instance `(target - {least}) / ({most} - {least})` for 0 to 1. For targets
that are only positive, `torch.nn.functional.softplus` reaches all of them.""")
_SEVERAL_ADVICE = Text("""Ask a yes-or-no question for each class, so that any number of them can be true:

```python
logits = model(x)  # raw outputs, no softmax
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.float())
```""")
_LOGIT_ADVICE = Text("""Give the loss the raw outputs of the last linear layer:

```python
logits = head(features)  # no {source} after the last layer
loss = torch.nn.functional.{function}(logits, target)
```""")


@dataclass(frozen=True)
class OutputRangeMismatch:
    """The model's last activation can't produce what the loss asks for.

    Why it matters: a sigmoid never gives 7, a tanh never 12, a softmax over one unit only 1. The loss stays where it is, and the
    gradient dies as the activation is pushed to its end.

    How it decides: in most check-ups the loss's input comes (autograd graph) from a sigmoid, softmax, tanh or ReLU, and the targets of a
    regression loss go beyond its range by more than `min_excess` of their own span (error if even their mean does); a Poisson loss has
    targets above e^1 in the mean; a loss that takes logits gets them from a sigmoid, tanh or ReLU; a softmax has one unit;
    a loss gets the logarithm of a ReLU's output; or a softmax is compared with rows of 0 and 1 of which less than `max_one_hot` hold exactly one 1. Or, in most
    of at least `min_judged` check-ups, a module beside the model is given what that made, which ends in a tanh or sigmoid, and numbers of the
    same shape that it did not make, `min_unmade` of which lie beyond; or there is a tanh, they go from 0 or more to about 1, and in the last
    one `min_astray` of what was made lies beyond them.

    What to try first: end with a linear layer, or bring the targets into the activation's range.

    Guards against: targets within the range (images of 0 to 1 after a sigmoid); single targets slightly outside; scaled or clipped logits
    such as 10 x tanh, which are another operation; softmax before cross-entropy (LD501) and sigmoid before its logits loss (LD502); judges that are given
    something else than what was made, as with noise on it, or beside its condition.

    References: Goodfellow, Bengio and Courville 2016, Deep Learning, section 6.2.2; UMLAUT (Schoop et al. 2021); Stack Overflow 45442843.
    """

    code: ClassVar[str] = "LD511"
    name: ClassVar[str] = "output-range-mismatch"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The output can't reach the targets")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_SOURCE, q.CALL_OUTPUTS)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_TARGET_MIN,
        q.CALL_TARGET_MAX,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_INDEX,
        q.CALL_TARGET_ONE_HOT,
        q.CALL_TARGET_WHOLE,
        q.MADE_SOURCE,
        q.REAL_LOW,
        q.REAL_HIGH,
        q.REAL_UNREACHED,
        q.MADE_ASTRAY,
    )
    instead: ClassVar[tuple[Quantity, ...]] = (q.MADE_SOURCE,)
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD106", "LD109", "LD110", "LD114", "LD201", "LD203", "LD205", "LD206", "LD505", "LD523", "LD601", "LD602", "LD701", "LD702", "LD704", "LD705", "LD707", "LD709", "LD722",
    )  # fmt: skip

    #: part of the targets' span that lies outside, 1; rounding and a stray target stay below it
    min_excess: float = 0.1
    #: share of the target rows, 1; a few rows without a class are padding or background
    max_one_hot: float = 0.7
    #: check-ups; one may have seen a batch of something else
    min_judged: int = 3
    #: share of the real numbers, 1; a few outliers are no range
    min_unmade: float = 0.02
    #: share of what is made, 1; a twentieth of it is enough for a judge, and less is left where the maker has learned to keep within
    min_astray: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding per call, and one for a maker."""
        bounds = Bounds(self.min_judged, self.min_unmade, self.min_astray, self.min_excess)
        judged = [self._of_maker(unfit) for unfit in unfit_makers(run, bounds)]
        yield from judged
        for call in calls_if_any(run) if judged else calls(run):
            known = ~np.isnan(call.of(q.CALL_SOURCE))
            one = call.of(q.CALL_OUTPUTS) == 1
            lone = one & call.made_by(Source.SOFTMAX)
            if mostly(lone, known, 1):
                yield self._constant(call, (lone & known, known), _ONE_UNIT)
            elif mostly(call.made_by(Source.LOG_RELU), known, 1):
                yield self._log_relu(call, call.made_by(Source.LOG_RELU) & known, known)
            elif call.function == "cross_entropy" and mostly(one, one | known, 1):
                yield self._constant(call, (one, one | known), _ONE_CLASS)
            elif call.function in _SQUASHERS:
                yield from self._squashed(call, known)
            elif mostly(several := self._several(call), known, 1):
                yield self._many(call, several & known, known)
            else:
                yield from self._unreached(call, known)

    def _of_maker(self, unfit: Unfit) -> Finding:
        evidence, message, advice = unfit
        return self._of(self.severity, evidence, message, advice)

    def _constant(self, call: LossCallSeries, seen: tuple[Bools, Bools], text: Text) -> Finding:
        message = text.format(call=call.name, **counts(*seen))
        evidence = call.evidence(q.CALL_OUTPUTS, seen[0], 1.0, 2.0)
        return self._of(Severity.ERROR, evidence, message, _ONE_ADVICE)

    def _several(self, call: LossCallSeries) -> Bools:
        """Check-ups in which a softmax's rows are compared with rows that mostly don't sum to 1."""
        rows = (call.of(q.CALL_OUTPUTS) > 1) & (call.of(q.CALL_TARGET_WHOLE) == 1)
        rows &= (call.of(q.CALL_TARGET_MIN) == 0) & (call.of(q.CALL_TARGET_MAX) == 1)
        rows &= (call.of(q.CALL_TARGET_ONE_HOT) < self.max_one_hot) & call.made_by(Source.SOFTMAX)
        fits: Bools = rows & np.isin(call.function, (*REGRESSION, "binary_cross_entropy"))
        return fits

    def _many(self, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        other = 1 - float(np.median(call.of(q.CALL_TARGET_ONE_HOT)[hits]))
        words = {
            "outputs": short_number(call.typical(q.CALL_OUTPUTS)),
            "percent": short_number(100 * other),
        }
        message = _SEVERAL.format(call=call.name, **words, **counts(hits, known))
        evidence = call.evidence(q.CALL_TARGET_ONE_HOT, hits, 1 - other, self.max_one_hot)
        return self._of(self.severity, evidence, message, _SEVERAL_ADVICE)

    def _log_relu(self, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        message = _LOG_RELU.format(call=call.name, **counts(hits, known))
        advice = _LOGIT_ADVICE.format(source="ReLU", function="cross_entropy")
        evidence = call.evidence(q.CALL_SOURCE, hits, float(Source.LOG_RELU), None)
        return self._of(Severity.ERROR, evidence, message, advice)

    def _squashed(self, call: LossCallSeries, known: Bools) -> Iterator[Finding]:
        """A loss that takes logits gets squashed ones."""
        for source in _SQUASHERS[call.function]:
            hits = call.made_by(source)
            if mostly(hits, known, 1):
                words = {
                    "call": call.name,
                    "source": NAMES[source],
                    **reach(source),
                    **counts(hits, known),
                }
                floor = _floor(call, source)
                message = _SQUASHED.format(floor=floor, **words)
                advice = _LOGIT_ADVICE.format(source=NAMES[source], function=call.function)
                evidence = call.evidence(q.CALL_SOURCE, hits, float(source), None)
                yield self._of(self.severity, evidence, message, advice)

    def _unreached(self, call: LossCallSeries, known: Bools) -> Iterator[Finding]:
        """A regression loss has targets beyond the output's range."""
        for source in RANGES:
            made = call.made_by(source)
            outside, far = self._outside(call, source)
            if mostly(made & outside, known, 1):
                hits = made & outside
                yield self._beyond(call, source, (hits, known), bool((far & hits)[hits].all()))

    def _outside(self, call: LossCallSeries, source: Source) -> tuple[Bools, Bools]:
        """bool[N] each: targets go beyond the range; even their mean does."""
        low, high = RANGES[source]
        least, most = call.of(q.CALL_TARGET_MIN), call.of(q.CALL_TARGET_MAX)
        mean = call.of(q.CALL_TARGET_MEAN)
        nowhere = np.zeros(len(mean), bool)
        if call.function == "poisson_nll_loss":
            far = (mean > math.e) if high <= 1 else nowhere
            return far, far
        if call.function not in _DISTANCE:
            return nowhere, nowhere
        excess = np.maximum(low - least, most - high)
        far = (mean < low) | (mean > high)
        outside = far | (excess > self.min_excess * (most - least))
        return outside & ~(call.of(q.CALL_TARGET_INDEX) == 1), far

    def _beyond(
        self, call: LossCallSeries, source: Source, seen: tuple[Bools, Bools], far: bool
    ) -> Finding:
        hits = seen[0]
        least, most = call.of(q.CALL_TARGET_MIN)[hits], call.of(q.CALL_TARGET_MAX)[hits]
        ends = {
            "least": short_number(float(np.min(least))),
            "most": short_number(float(np.max(most))),
        }
        message = _UNREACHED.format(
            call=call.name, source=NAMES[source], **reach(source), **ends, **counts(*seen)
        )
        high = RANGES[source][1]
        evidence = call.evidence(
            q.CALL_TARGET_MAX, hits, float(np.max(most)), high if math.isfinite(high) else None
        )
        severity = Severity.ERROR if far else self.severity
        return self._of(
            severity, evidence, message, _LINEAR_ADVICE.format(source=NAMES[source], **ends)
        )

    def _of(self, severity: Severity, evidence: Evidence, message: Text, advice: Text) -> Finding:
        return Finding(self.code, severity, evidence.column, (evidence,), message, advice)


def _floor(call: LossCallSeries, source: Source) -> Text:
    """What the squashed logits leave of the loss at best."""
    if call.function != "cross_entropy":
        return _NEVER_NO if source is Source.RELU else _NOTHING
    classes = call.typical(q.CALL_OUTPUTS)
    floor = cross_entropy_floor(source, classes)
    return (
        _NOTHING
        if floor is None
        else _FLOOR.format(classes=short_number(classes), floor=short_number(floor))
    )
