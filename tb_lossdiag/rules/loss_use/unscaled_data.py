"""LD510 unscaled-data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.clips import ledger
from tb_lossdiag.analysis.inputs import at_its_ends, fact, reached_by, scaled_within
from tb_lossdiag.analysis.loss_calls import REGRESSION, LossCallSeries, calls_if_any, mostly
from tb_lossdiag.analysis.progress import below_baseline, broke, fall
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.diagnosis.ways import said
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.rules.loss_use import unscaled_words as say
from tb_lossdiag.rules.loss_use.unscaled_words import filled, middle, percent
from tb_lossdiag.run import Run

_BYTE = 255.0
"""The largest number that a pixel is stored as."""
_SIGMAS = 5.0
"""Of the mean of so many numbers; both bounds are asked of every check-up."""
_ROUNDING = 0.01
"""What a sample of very many leaves."""


@dataclass(frozen=True)
class UnscaledData:
    """Inputs or regression targets are far from the scale the model starts at.

    Why it matters: initialisation and usual learning rates assume values around 1. Inputs of hundreds blow up the first outputs and
    kill ReLUs; targets of hundreds keep the output layer busy for thousands of steps.

    How it decides: |mean| or standard deviation of the model's first input, or, where it does harm and as large numbers come out of the first layer (`min_first_layer` of it), of the first numbers behind
    indices, or of the targets of a regression loss, above `max_scale` in
    most check-ups (of the input, above `max_noised` where the targets are noise of mean 0 and standard deviation 1, `min_noise` numbers of
    it in each of `min_checks` check-ups or more); or both of the input below `min_scale`, in a run that stands still; or standard
    deviations of the input's features that differ by more than `max_feature_range`. A warning if it does harm: the first loss at least
    `min_first_loss` times that of the best constant answer (where noise is asked for: `min_noised_loss`, and nothing else), a loss that fell by less than
    `min_fall`, or one that broke; clips that leave no more than `max_left` of the gradients of a loss not known to be learned; of a large input, `min_at_ends` of the outputs of a
    tanh or sigmoid behind the first layer at its ends in all check-ups, where no loss is known to have come below a constant answer, as in physics-informed networks. Of an input
    whose largest value is exactly 255 the loss must have fallen by `min_pixel_fall`, for such are pixels that were forgotten. Else an
    information. Or one of up to 16 outputs of a regression spreads a hundred times as much as others, and in each of the last `min_checks`
    check-ups, of `min_late` or more, at least `min_small_left` of the variance of each of those is unexplained and at most `max_large_left` of its own (a warning).

    What to try first: standardise with the mean and standard deviation of the training set.

    Guards against: tokens; a model that begins with a normalisation layer or scales its input itself (the first layer's output is small);
    constant features; runs that learn all the same (information; of small inputs nothing is said then); small outputs that are learned
    all the same; pictures and windows, of whose many numbers some hardly ever change.

    References: LeCun et al. 1998, "Efficient BackProp", section 4.3; UMLAUT (Schoop et al. 2021), "input data exceeds typical limits".
    """

    code: ClassVar[str] = "LD510"
    name: ClassVar[str] = "unscaled-data"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Inputs or targets are not scaled")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.INPUT_MEAN,
        q.INPUT_STD,
        q.INPUT_FEATURE_RANGE,
        q.INPUT_ABS_MAX,
        q.BESIDE_MEAN,
        q.BESIDE_STD,
        q.ACTIVATION_ABS_MAX,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.CALL_SAMPLES,
        q.CALL_OUTPUTS,
        q.CALL_TOP_SHARE,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.CALL_SMALL_LEFT,
        q.CALL_LARGE_LEFT,
        q.ACTIVATION_STD,
        q.SATURATED_SHARE,
        q.MODULE_KIND,
        q.MODULE_FED_BY,
        q.MODULE_LAST,
        q.LOSS,
        q.LOSS_NONFINITE,
        q.LOSS_TERM,
        q.EXTRA,
        q.CLIP_GLOBAL_NORM,
        q.CLIP_MAX_NORM,
        q.CLIP_CALLS,
        q.CLIP_BOUND,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD106", "LD109", "LD201", "LD202", "LD203", "LD205", "LD301", "LD508", "LD523",
        "LD601", "LD602", "LD701", "LD702", "LD704", "LD705", "LD710", "LD711", "LD712", "LD722", "LD725", "LDR15", "LDR16",
    )  # fmt: skip

    #: |mean| or standard deviation, unit of the data; pixels of 0 to 255 lie above it, standardised and 0-to-1 data far below
    max_scale: float = 50.0
    #: standard deviation of the noise; data scaled for it lie around 1, and the codes of autoencoders that were not at 5 to 20
    max_noised: float = 3.0
    #: numbers in a check-up; that many of anything else lie nowhere so near 0 and 1 in every batch
    min_noise: int = 1024
    #: check-ups, in each of which the targets must be such
    min_checks: int = 3
    #: first loss over that of the best constant answer, 1; what guesses noise from scaled data begins between 1 and 2
    min_noised_loss: float = 5.0
    #: |mean| and standard deviation, unit of the data; sound waves and daily returns lie above it, pixels divided by 255 twice below
    min_scale: float = 0.005
    #: largest over smallest standard deviation of the features, 1; rare one-hot columns reach a hundred
    max_feature_range: float = 1000.0
    #: first loss over that of the best constant answer, 1; a good initialisation stays below 3
    min_first_loss: float = 10.0
    #: share of the starting loss, 1; less after a whole run is standing still
    min_fall: float = 0.2
    #: share of the starting loss, 1; who has learned that much may leave pixels as they are stored
    min_pixel_fall: float = 0.8
    #: share of the outputs behind the first layer, 1; metres to thousands leave 0.96 to 0.99 there, standardised inputs next to none
    min_at_ends: float = 0.9
    #: share of a gradient that is left, 1 (median); what one term makes a thousand times too large, it takes from all others
    max_left: float = 1e-3
    #: share of a squared loss that its worst 1% of elements make, 1; with half of it they make the targets' spread, too
    max_top_share: float = 0.5
    #: share of the variance of the best of the small outputs, 1; who has begun to learn it is below
    min_small_left: float = 0.9
    #: share of the variance of the largest output, 1; then the model does learn
    max_large_left: float = 0.5
    #: check-ups with such outputs
    min_late: int = 6
    #: first layer's over input's standard deviation, 1; common initialisations give 0.5 to 1.5
    min_first_layer: float = 0.05
    #: standard deviation of the first layer's output; what was scaled before leaves 0.3 to 2
    max_first_layer: float = 3.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per input and per regression call whose data are far from 1."""
        regression = calls_if_any(run, REGRESSION)
        if q.INPUT_STD not in run and q.BESIDE_STD not in run and not regression:
            raise NotEnough(
                Text("a check-up that sees the model's input or a regression loss: {how}").format(
                    how=said(q.INPUT_STD.how)
                )
            )
        noised = any(self._is_noise(call) for call in regression)
        harm = self._harm(run)
        for name in run[q.INPUT_STD].columns if q.INPUT_STD in run else ():
            found = list(self._input(run, name, harm, self.max_scale))
            if noised and not found:
                # A loss that stands still says little of such data: the tuning of one who has learned does so, too.
                off = self._off(run, self.min_noised_loss)
                found = list(self._input(run, name, off, self.max_noised))
            yield from found
        for name in run[q.BESIDE_STD].columns if q.BESIDE_STD in run else ():
            yield from self._beside(run, name, harm)
        for call in regression:
            yield from self._target(call, harm)
            yield from self._outputs(call)

    def _is_noise(self, call: LossCallSeries) -> bool:
        """Whether the targets are drawn anew for each step, of mean 0 and standard deviation 1."""
        size = call.of(q.CALL_SAMPLES) * call.of(q.CALL_OUTPUTS)
        error = np.maximum(_SIGMAS / np.sqrt(np.maximum(size, 1.0)), _ROUNDING)
        apart = np.maximum(
            np.abs(call.of(q.CALL_TARGET_MEAN)), np.abs(call.of(q.CALL_TARGET_STD) - 1) * 2**0.5
        )
        enough = len(size) >= self.min_checks and bool((size >= self.min_noise).all())
        return enough and bool((apart <= error).all())

    def _off(self, run: Run, least: float) -> Text | None:
        """How far above a constant answer the first loss was, from so many times on."""
        for call in calls_if_any(run):
            times = call.of(q.CALL_VALUE)[:1] / call.of(q.CALL_BASELINE)[:1]
            first = float(times[0]) if len(times) else 0.0
            if least <= first < np.inf:
                return say.OFF.format(times=short_number(float(f"{first:.2g}")))
        return None

    def _harm(self, run: Run) -> Text | None:
        if broke(run):
            return say.BROKE
        off = self._off(run, self.min_first_loss)
        if off is not None:
            return off
        lost = fall(run)
        if lost is not None and lost < self.min_fall:
            return say.STUCK
        left = min((float(np.median(c.coefficients)) for c in ledger(run) if len(c)), default=1.0)
        if left <= self.max_left and lost is None:
            return say.CLIPPED.format(share=short_number(float(f"{left:.2g}")))
        return None

    def _input(self, run: Run, name: str, harm: Text | None, most: float) -> Iterator[Finding]:
        table = run[q.INPUT_STD]
        std = table.column(name).astype(np.float64)
        mean = fact(run, q.INPUT_MEAN, table.steps, name)
        ratio = fact(run, q.INPUT_FEATURE_RANGE, table.steps, name)
        known = ~np.isnan(std)
        size = np.maximum(std, np.nan_to_num(np.abs(mean)))
        unscaled = not scaled_within(run, name, self.min_first_layer, self.max_first_layer)
        # What shrinks the large is no help to the small.
        stuck = harm is say.STUCK and not scaled_within(run, name, 0.0)
        large = (size > most) & known & unscaled
        tiny = (size < self.min_scale) & (size > 0) & known & stuck
        uneven = np.isfinite(ratio) & (ratio > self.max_feature_range) & unscaled
        what = Text(" `{name}`").format(name=name) if name else Text("")
        for hits, text, quantity, bound in (
            (large, say.INPUT, q.INPUT_STD, most),
            (tiny, say.TINY_INPUT, q.INPUT_STD, self.min_scale),
            (uneven, say.FEATURES, q.INPUT_FEATURE_RANGE, self.max_feature_range),
        ):
            if not mostly(hits, known, 1):
                continue
            words = {
                "mean": middle(mean[hits]),
                "std": middle(std[hits]),
                "ratio": middle(ratio[hits]),
            }
            ends = int(table.steps[hits][0]), int(table.steps[hits][-1])
            observed = float(np.median((std if quantity is q.INPUT_STD else ratio)[hits]))
            evidence = Evidence(quantity.name, name, *ends, observed, bound)
            harm = harm or self._pixels(run, name, text) or self._ends(run, name, text)
            message = filled(text, harm, {"model": what}, words)
            yield self._of(evidence, message, say.INPUT_ADVICE.format(**words), harm)
            return

    def _beside(self, run: Run, name: str, harm: Text | None) -> Iterator[Finding]:
        """Large numbers behind indices, where they do harm and come to the first layer as they are."""
        table = run[q.BESIDE_STD]
        std = table.column(name).astype(np.float64)
        mean = fact(run, q.BESIDE_MEAN, table.steps, name)
        known = np.isfinite(std) & np.isfinite(mean)
        size = np.where(known, np.maximum(std, np.abs(mean)), 0.0)
        hits = size > self.max_scale
        if harm is None or not mostly(hits, known, 1):
            return
        typical = float(np.median(size[hits]))
        if not reached_by(run, name, typical, self.min_first_layer):
            return
        words = {"mean": middle(mean[hits]), "std": middle(std[hits])}
        what = Text(" `{name}`").format(name=name) if name else Text("")
        ends = int(table.steps[hits][0]), int(table.steps[hits][-1])
        evidence = Evidence(q.BESIDE_STD.name, name, *ends, typical, self.max_scale)
        message = filled(say.BESIDE, harm, {"model": what}, words)
        yield self._of(evidence, message, say.INPUT_ADVICE.format(**words), harm)

    def _pixels(self, run: Run, name: str, text: Text) -> Text | None:
        """Bytes of a picture in a run that is not known to have learned all the same."""
        lost = fall(run)
        if text is not say.INPUT or lost is None or lost >= self.min_pixel_fall:
            return None
        largest = fact(run, q.INPUT_ABS_MAX, run[q.INPUT_STD].steps, name)
        known = np.isfinite(largest)
        stored = mostly((largest == _BYTE) & known, known, 1)
        return say.PIXELS.format(largest=short_number(_BYTE)) if stored else None

    def _ends(self, run: Run, name: str, text: Text) -> Text | None:
        """Hardly any slope behind the first layer, in a run of which no constant answer tells that it learns all the same."""
        found = at_its_ends(run, name) if text is say.INPUT and not below_baseline(run) else None
        if found is None or found[1] < self.min_at_ends:
            return None
        return say.ENDS.format(share=percent(np.array([found[1]])), name=found[0])

    def _target(self, call: LossCallSeries, harm: Text | None) -> Iterator[Finding]:
        mean, std = call.of(q.CALL_TARGET_MEAN), call.of(q.CALL_TARGET_STD)
        known = np.isfinite(mean) & np.isfinite(std)
        # A spread that few wild elements make says nothing of the others: LD508's.
        known &= ~((call.of(q.CALL_TOP_SHARE) >= self.max_top_share) & (np.abs(mean) <= std))
        hits = known & (np.maximum(np.abs(mean), std) > self.max_scale)
        if mostly(hits, known, 1):
            words = {"mean": middle(mean[hits]), "std": middle(std[hits])}
            divisor = words["std"] if std[hits].any() else "1"
            message = filled(say.TARGET, harm, {}, {**words, "call": call.name})
            observed = float(np.median(np.maximum(np.abs(mean), std)[hits]))
            evidence = call.evidence(q.CALL_TARGET_STD, hits, observed, self.max_scale)
            advice = say.TARGET_ADVICE.format(
                mean=words["mean"], std=divisor, function=call.function
            )
            yield self._of(evidence, message, advice, harm)

    def _outputs(self, call: LossCallSeries) -> Iterator[Finding]:
        """Outputs of very different sizes, of which only the large ones are learned."""
        small, large = call.of(q.CALL_SMALL_LEFT), call.of(q.CALL_LARGE_LEFT)
        known = np.isfinite(small) & np.isfinite(large)
        last = np.flatnonzero(known)[-self.min_checks :]
        late = known.sum() >= self.min_late and mostly(known, np.ones(len(known), bool), 1)
        if not late or small[last].min() < self.min_small_left:
            return
        if large[last].max() > self.max_large_left:
            return
        hits = np.zeros(len(known), bool)
        hits[last] = True
        words = {"large": percent(large[last]), "small": percent(np.minimum(small[last], 1.0))}
        message = say.OUTPUTS.format(call=call.name, checks=str(len(last)), **words)
        least = float(np.median(small[last]))
        evidence = call.evidence(q.CALL_SMALL_LEFT, hits, least, self.min_small_left)
        yield self._of(evidence, message, say.OUTPUTS_ADVICE, message)

    def _of(self, evidence: Evidence, message: Text, advice: Text, harm: Text | None) -> Finding:
        severity = self.severity if harm else Severity.INFO
        numbers = {"scale": float(evidence.observed or 0.0)}
        return Finding(self.code, severity, evidence.column, (evidence,), message, advice, numbers)
