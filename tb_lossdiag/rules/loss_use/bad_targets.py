"""LD506 bad-targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import BINARY, CLASSES, LossCallSeries, calls, counts, mostly
from tb_lossdiag.analysis.non_finite import last_finite
from tb_lossdiag.analysis.one_answer import OneAnswer, one_answer, only_first, only_yes
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.rules.loss_use import target_words as words
from tb_lossdiag.run import Run

_SIGNED = ("cosine_embedding_loss", "margin_ranking_loss", "hinge_embedding_loss", "soft_margin_loss")  # fmt: skip
_MODULES = {"nll_loss": "NLLLoss"}
_TWO = 2
"""Values that labels of yes-or-no questions have, however they are smoothed."""


@dataclass(frozen=True)
class BadTargets:
    """Targets mean nothing to the loss: out of range, NaN, all ignored, or all the same class.

    Why it matters: on a GPU a class index out of range stops the process long after the fact; probabilities outside [0, 1] let the
    loss fall below zero without bound; a batch in which all is ignored gives NaN.

    How it decides: any target in any check-up is NaN, a class that doesn't exist, a probability outside [0, 1], a negative count or
    the blank of a CTC loss (error); all targets of a check-up are ignored (a warning, an error if it is so in all of at least `min_checks`); batches of at least `min_samples` targets hold one class each, in most
    check-ups and at least `min_checks`, and not all the same one (sorted data: a warning); or all of them hold the same (a warning,
    or an information if it is class 0 and no other class is ignored, unless that one call of the one model is told it at several places a sample, a layer
    makes its scores, and the loss has come to a twentieth in the whole last quarter of the run); targets of yes-or-no questions are the same two values in all of at least `min_checks`, above 0 and below 1,
    and one of them is within `min_apart` of one half (a warning); or the likelihoods that `cross_entropy` is given are ones and zeros
    in all of as many, with `min_ones` ones a row or more on average (a warning); or all yes-or-no calls of a discriminator and a generator (told by
    their names) have one and the same target, and their losses have come to a twentieth of their start (a warning); or the one call of the one model
    that is watched asks for yes or no, every one of 500 targets or more is a yes, and its loss has come to a twentieth (a warning). Losses that take 1 and -1 are given 0 and no -1 (an error).

    What to try first: assert the range of the targets; use a regression loss for measured values; shuffle.

    Guards against: measured targets that are all NaN after the loss has become so for good, as those that the model makes do; padding given as `ignore_index`; discriminators, whose yes-or-no calls have one label each, and not the same; contrastive losses and choices,
    whose right answer is always class 0 (information only); small batches; soft targets of many values, and those of 0 and something; rare things, of which a
    batch holds none; labels drawn at random around 0 and 1 on purpose, up to `max_jitter` beyond them (information only).

    References: PyTorch, `torch.nn.CrossEntropyLoss`, `torch.nn.BCELoss` (targets between 0 and 1); MoCo (He et al. 2020, labels of 0);
    Chintala et al. 2016, soumith/ganhacks (labels drawn from 0.7 to 1.2).
    """

    code: ClassVar[str] = "LD506"
    name: ClassVar[str] = "bad-targets"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Targets the loss can't use")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_INVALID,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_TARGET_MIN,
        q.CALL_TARGET_MAX,
        q.CALL_IGNORED,
        q.CALL_IGNORED_CLASS,
        q.CALL_MAJORITY,
        q.CALL_SAMPLES,
        q.CALL_OUTPUTS,
        q.CALL_TARGET_WHOLE,
        q.CALL_TARGET_UNIQUE,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_INDEX,
        q.LOSS_NONFINITE,
        q.GRADIENT_NONFINITE,
        q.GLOBAL_NORM,
        q.CALL_VALUE,
        q.CALL_SOURCE,
        q.LABEL_COUNT,
        q.LOSS,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD106", "LD110", "LD111", "LD202", "LD203", "LD205", "LD206", "LD509", "LD512", "LD523", "LD602", "LD608", "LD705", "LD709",
    )  # fmt: skip

    #: samples; four of one class in a batch of four is chance
    min_samples: int = 8
    #: check-ups; sorted data show one class in each
    min_checks: int = 3
    #: distance of a label from one half, 1; who means 0.6 as a yes says no more than one half in five
    min_apart: float = 0.1
    #: beyond 0 and 1, 1; labels of a discriminator are drawn from 0.7 to 1.2, rounded up
    max_jitter: float = 0.25
    #: share of the targets times the number of classes, 1; classes are rarely a fifth as frequent as others, padding of words is no class
    min_class: float = 0.2
    #: ones a row, 1; with fewer, few rows have more than one
    min_ones: float = 1.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding per call: the worst that its targets have."""
        for call in calls(run):
            invalid, ignored = _given(run, call), call.of(q.CALL_IGNORED)
            if (invalid > 0).any():
                yield self._invalid(call, invalid)
            elif (ignored >= 1).any():
                yield self._ignored(call, ignored)
            elif call.function in CLASSES:
                yield from self._single(call)
                yield from self._several(call)
            elif call.function in BINARY:
                yield from self._smoothed(call)
        yield from self._all_real(run)
        yield from self._only_yes(run)

    def _invalid(
        self, call: LossCallSeries, invalid: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> Finding:
        hits = invalid > 0
        worst = float(invalid[hits].max())
        low, high = _least(call.of(q.CALL_TARGET_MIN)), -_least(-call.of(q.CALL_TARGET_MAX))
        spoken = call.function == "ctc_loss"
        message = (words.BLANK if spoken else words.INVALID).format(
            call=call.name,
            step=str(int(call.steps[hits][0])),
            share=short_number(100 * worst),
            low=_known(low),
            high=_known(high),
        )
        measured = call.function in (*BINARY, *CLASSES) and call.typical(q.CALL_TARGET_WHOLE) < 1
        classes = call.typical(q.CALL_OUTPUTS)
        most = short_number(classes - 1) if call.function in CLASSES and classes > 1 else "1"
        most = 'float("inf")' if call.function not in (*BINARY, *CLASSES) else most
        advice = words.MEASURED if measured else words.RANGE.format(low="0", high=most)
        advice = words.UNBLANK if spoken else advice
        advice = words.SIGNS if call.function in _SIGNED and np.isfinite(low) else advice
        evidence = call.evidence(q.CALL_INVALID, hits, worst, 0.0)
        near = -self.max_jitter <= low and high <= 1 + self.max_jitter
        whole = call.of(q.CALL_TARGET_WHOLE)[hits]
        drawn = near and call.function in BINARY and bool((whole < 1).all())
        severity = Severity.INFO if drawn else self.severity
        return self._of(severity, evidence, (message, advice), {"invalid": worst})

    def _ignored(
        self, call: LossCallSeries, ignored: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> Finding:
        hits, known = ignored >= 1, ~np.isnan(ignored)
        message = words.IGNORED.format(call=call.name, **counts(hits, known))
        evidence = call.evidence(q.CALL_IGNORED, hits, 1.0, 1.0)
        never = hits[known].all() and hits.sum() >= self.min_checks
        severity = self.severity if never else Severity.WARNING
        return self._of(severity, evidence, (message, words.SKIP), {})

    def _single(self, call: LossCallSeries) -> Iterator[Finding]:
        majority = call.of(q.CALL_MAJORITY)
        known = ~np.isnan(majority) & (call.of(q.CALL_SAMPLES) >= self.min_samples)
        hits: Bools = known & (majority >= 1)
        if not mostly(hits, known, self.min_checks):
            return
        classes = np.unique(call.of(q.CALL_TARGET_MIN)[hits])
        sorted_data = len(classes) > 1
        if not sorted_data and not hits[known].all():
            return
        left = None if sorted_data else self._left_out(call)
        text = words.SORTED if sorted_data else words.SINGLE if left is None else words.LEFT
        said = {"call": call.name, "checks": str(int(hits.sum())), **(left or {})}
        message = text.format(low=_known(float(classes[0])), **said)
        samples = short_number(max(np.nan_to_num(call.typical(q.CALL_SAMPLES)), 1.0))
        advice = words.SHUFFLE.format(samples=samples) if sorted_data else words.LOOK
        advice = (
            advice
            if left is None
            else words.COUNT.format(module=_MODULES.get(call.function, "CrossEntropyLoss"))
        )
        meant = not sorted_data and left is None and classes[0] == 0
        heard = only_first(call.run, self.min_samples, self.min_checks) if meant else None
        if heard is not None:
            message, advice, meant = _first(heard), words.MASKS, False
        severity = Severity.INFO if meant else Severity.WARNING
        evidence = call.evidence(q.CALL_MAJORITY, hits, 1.0, 1.0)
        yield self._of(severity, evidence, (message, advice), {"classes": len(classes)})

    def _left_out(self, call: LossCallSeries) -> dict[str, str] | None:
        """The scored class that the call ignores, and its share of the targets, where that is as large as that of a class."""
        ignored, share = call.typical(q.CALL_IGNORED_CLASS), call.typical(q.CALL_IGNORED)
        if not share * call.typical(q.CALL_OUTPUTS) >= self.min_class:
            return None
        percent = short_number(float(f"{100 * share:.2g}"))
        return None if np.isnan(ignored) else {"ignored": short_number(ignored), "share": percent}

    def _several(self, call: LossCallSeries) -> Iterator[Finding]:
        """Zeros and ones for `cross_entropy`, of which a row has several."""
        low, high = call.of(q.CALL_TARGET_MIN), call.of(q.CALL_TARGET_MAX)
        ones = call.of(q.CALL_TARGET_MEAN) * call.of(q.CALL_OUTPUTS)
        known = ~np.isnan(ones) & (call.of(q.CALL_TARGET_INDEX) == 0)
        hits = known & (low == 0) & (high == 1) & (call.of(q.CALL_TARGET_UNIQUE) == _TWO)
        hits &= ones >= self.min_ones
        if (
            call.function != "cross_entropy"
            or known.sum() < self.min_checks
            or not hits[known].all()
        ):
            return
        each = float(np.median(ones[hits]))
        said = {"checks": str(int(hits.sum())), "ones": short_number(each)}
        message = words.SEVERAL.format(call=call.name, **said)
        evidence = call.evidence(q.CALL_TARGET_MEAN, hits)
        yield self._of(Severity.WARNING, evidence, (message, words.LABELS), {"ones": each})

    def _smoothed(self, call: LossCallSeries) -> Iterator[Finding]:
        low, high = call.of(q.CALL_TARGET_MIN), call.of(q.CALL_TARGET_MAX)
        known = call.of(q.CALL_SAMPLES) >= self.min_samples
        two = (call.of(q.CALL_TARGET_UNIQUE) == _TWO) & (low == low[0]) & (high == high[0])
        if known.sum() < self.min_checks or not two[known].all() or not 0 < low[0] < high[0] < 1:
            return
        ends = np.array([low[0], high[0]])
        if np.abs(ends - 0.5).min() >= self.min_apart:
            return
        said = {"low": _known(float(low[0])), "high": _known(float(high[0]))}
        message = words.SMOOTHED.format(call=call.name, checks=str(int(known.sum())), **said)
        evidence = call.evidence(q.CALL_TARGET_MAX, known, float(high[0]), 0.5 + self.min_apart)
        numbers = {"low": float(low[0]), "high": float(high[0])}
        yield self._of(Severity.WARNING, evidence, (message, words.SMOOTH), numbers)

    def _all_real(self, run: Run) -> Iterator[Finding]:
        """A discriminator that hears one answer only."""
        heard = one_answer(run, self.min_samples, self.min_checks)
        if heard is None:
            return
        call = heard.calls[0]
        said = {"call": call.name, "calls": str(len(heard.calls)), "low": _known(heard.answer)}
        share = short_number(max(float(f"{100 * heard.left:.1g}"), 0.1))
        message = words.ALL_REAL.format(checks=str(len(call.steps)), share=share, **said)
        known: Bools = np.ones(len(call.steps), bool)
        evidence = call.evidence(q.CALL_TARGET_MAX, known, heard.answer)
        yield self._of(
            Severity.WARNING, evidence, (message, words.JUDGED), {"answer": heard.answer}
        )

    def _only_yes(self, run: Run) -> Iterator[Finding]:
        """Nothing but positives."""
        heard = only_yes(run, self.min_samples, self.min_checks)
        if heard is None:
            return
        call = heard.calls[0]
        known: Bools = np.ones(len(call.steps), bool)
        labels = short_number(float(np.nansum(call.of(q.CALL_SAMPLES))))
        share = short_number(max(float(f"{100 * heard.left:.1g}"), 0.1))
        said = {"call": call.name, "checks": str(len(call.steps)), "low": _known(heard.answer)}
        message = words.ONLY_YES.format(labels=labels, share=share, **said)
        evidence = call.evidence(q.CALL_TARGET_MIN, known, heard.answer)
        yield self._of(
            Severity.WARNING, evidence, (message, words.UNSEEN), {"answer": heard.answer}
        )

    def _of(
        self,
        severity: Severity,
        evidence: Evidence,
        texts: tuple[Text, Text],
        numbers: dict[str, float],
    ) -> Finding:
        return Finding(self.code, severity, evidence.column, (evidence,), *texts, numbers)


def _first(heard: OneAnswer) -> Text:
    """That every place of every sample is class 0, and the model has learned it."""
    call = heard.calls[0]
    labels = float(np.nansum(call.run[q.LABEL_COUNT].at(call.steps, ["0"])))
    said = {"labels": f"{labels:.0f}", "call": call.name, "checks": str(len(call.steps))}
    return words.FIRST.format(
        share=short_number(max(float(f"{100 * heard.left:.1g}"), 0.1)), **said
    )


def _given(run: Run, call: LossCallSeries) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The share of targets that mean nothing; measured ones that are all NaN once the loss has broken for good come from a broken network."""
    invalid, end = call.of(q.CALL_INVALID), last_finite(run)
    if end is None or call.function in (*BINARY, *CLASSES, "ctc_loss"):
        return invalid
    return np.where((invalid >= 1) & (call.steps > end + 1), 0.0, invalid)


def _least(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    known = values[~np.isnan(values)]
    return float(known.min()) if known.size else float("nan")


def _known(value: float) -> str:
    return "?" if np.isnan(value) else short_number(value)
