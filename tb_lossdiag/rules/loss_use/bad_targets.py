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
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_INVALID = Text(
    "{share}% of the targets given to `{call}` at step {step} mean nothing to it: they go from {low} to {high}."
)
_BLANK = Text(
    "{share}% of the symbols given to `{call}` at step {step} are its blank, which stands for none: the symbols go from {low} to {high}."
)
_IGNORED = Text(
    "In {count} of {checks} check-ups every target given to `{call}` was the ignored one: the mean over nothing is NaN."
)
_SORTED = Text(
    "In {checks} check-ups the batch held one class only, and not always the same: the data come sorted by class."
)
_SINGLE = Text("All targets given to `{call}` in {checks} check-ups were class {low}.")
_LEFT = Text(
    "All targets that `{call}` counts in {checks} check-ups are class {low}: class {ignored}, {share}% of the targets, is one that it scores, and its `ignore_index`. Nothing is left to tell apart."
)
_SMOOTHED = Text(
    "All targets given to `{call}` in {checks} check-ups are {low} or {high}: a smoothed yes that is hardly more than one half, or a no that is hardly less, says hardly anything."
)
_SEVERAL = Text(
    "The targets given to `{call}` in {checks} check-ups are zeros and ones, {ones} ones a row on average: it takes them for likelihoods that add up to 1, and shares out one answer among several that are right."
)
_LABELS = Text("""Several labels that may all be right are as many questions of yes or no:

```python
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.float())
```

Where one answer is to be shared out among them, say so: `target / target.sum(1, keepdim=True)`.""")
_SIGNS = Text("""This loss takes 1 and -1; of a 0 it learns nothing:

```python
target = 2 * target - 1  # 0 and 1 become -1 and 1
```""")
_MEASURED = Text("""Cross-entropy takes classes or probabilities. These targets are measured values, so use a regression loss on a linear output:

```python
loss = torch.nn.functional.mse_loss(model(x), target)  # no sigmoid or softmax at the end of the model
```

If they are labels of another coding (-1 and 1, percent), bring them to 0 and 1 first.""")
_RANGE = Text("""Find the first wrong target before the loss does:

```python
assert torch.isfinite(target.float()).all()
assert target.min() >= {low} and target.max() <= {high}, (target.min(), target.max())
```

- Class indices begin at 0: labels 1 to C need `target - 1`, padding needs `ignore_index=`.
- Yes-or-no labels of -1 and 1 need `(target + 1) / 2`.
- NaN comes from missing values: drop or mask those rows.""")
_UNBLANK = Text("""The blank is what is said between symbols, so no symbol may have its index, and padding must not be counted as spoken:

```python
lengths = (targets != 0).sum(1)  # where padding and blank are 0: without the padding
loss = torch.nn.functional.ctc_loss(outputs.log_softmax(-1), targets, input_lengths, lengths, blank=0)
```

With symbols from 0 on, use `targets + 1` and an output more, or `blank=` the last output.""")
_SKIP = Text("""Skip batches without a target that counts, or divide by a number that can't be 0:

```python
total = torch.nn.functional.cross_entropy(logits, target, ignore_index=-100, reduction="sum")
loss = total / (target != -100).sum().clamp_min(1)
```""")
_SHUFFLE = Text("""Shuffle the training data; as it is, each stretch of batches teaches one class and forgets the others:

```python
loader = torch.utils.data.DataLoader(dataset, batch_size={samples}, shuffle=True)
```""")
_SMOOTH = Text("""Smoothing by s leaves (1 - s) of the label and spreads s. Look at what it makes of 0 and of 1, also when it is done in place and so twice:

```python
smoothed = target * (1 - 0.1) + 0.1 / 2  # 0.05 and 0.95
```""")
_LOOK = Text("""Look at the labels as the loss gets them:

```python
print(torch.bincount(target.flatten()))
```

A contrastive loss whose right answer is always the first logit is meant to be like this.""")

_COUNT = Text("""Each loss leaves out what belongs to nobody in its own targets, and no class:

```python
questions = torch.nn.{module}()  # a criterion of their own, which ignores -100 only
```

One criterion for two tasks ignores one of the other's classes: where padding is class 0 of the words, "no" is class 0 of the questions.""")

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
    or an information if it is class 0 and no other class is ignored); targets of yes-or-no questions are the same two values in all of at least `min_checks`, above 0 and below 1,
    and one of them is within `min_apart` of one half (a warning); or the likelihoods that `cross_entropy` is given are ones and zeros
    in all of as many, with `min_ones` ones a row or more on average (a warning). Losses that take 1 and -1 are given 0 and no -1 (an error).

    What to try first: assert the range of the targets; use a regression loss for measured values; shuffle.

    Guards against: measured targets that are all NaN after the loss has become so for good, as those that the model makes do; padding given as `ignore_index`; discriminators, whose yes-or-no calls have one label each; contrastive losses,
    whose right answer is always class 0 (information only); small batches; soft targets of many values, and those of 0 and something.

    References: PyTorch, `torch.nn.CrossEntropyLoss`, `torch.nn.BCELoss` (targets between 0 and 1); MoCo (He et al. 2020, labels of 0).
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
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD106", "LD110", "LD111", "LD202", "LD203", "LD206", "LD509", "LD512", "LD523", "LD602", "LD608", "LD705",
    )  # fmt: skip

    #: samples; four of one class in a batch of four is chance
    min_samples: int = 8
    #: check-ups; sorted data show one class in each
    min_checks: int = 3
    #: distance of a label from one half, 1; who means 0.6 as a yes says no more than one half in five
    min_apart: float = 0.1
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

    def _invalid(
        self, call: LossCallSeries, invalid: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> Finding:
        hits = invalid > 0
        worst = float(invalid[hits].max())
        low, high = _least(call.of(q.CALL_TARGET_MIN)), -_least(-call.of(q.CALL_TARGET_MAX))
        spoken = call.function == "ctc_loss"
        message = (_BLANK if spoken else _INVALID).format(
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
        advice = _MEASURED if measured else _RANGE.format(low="0", high=most)
        advice = _UNBLANK if spoken else advice
        advice = _SIGNS if call.function in _SIGNED and np.isfinite(low) else advice
        evidence = call.evidence(q.CALL_INVALID, hits, worst, 0.0)
        return self._of(self.severity, evidence, (message, advice), {"invalid": worst})

    def _ignored(
        self, call: LossCallSeries, ignored: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> Finding:
        hits, known = ignored >= 1, ~np.isnan(ignored)
        message = _IGNORED.format(call=call.name, **counts(hits, known))
        evidence = call.evidence(q.CALL_IGNORED, hits, 1.0, 1.0)
        never = hits[known].all() and hits.sum() >= self.min_checks
        severity = self.severity if never else Severity.WARNING
        return self._of(severity, evidence, (message, _SKIP), {})

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
        text = _SORTED if sorted_data else _SINGLE if left is None else _LEFT
        words = {"call": call.name, "checks": str(int(hits.sum())), **(left or {})}
        message = text.format(low=_known(float(classes[0])), **words)
        samples = short_number(max(np.nan_to_num(call.typical(q.CALL_SAMPLES)), 1.0))
        advice = _SHUFFLE.format(samples=samples) if sorted_data else _LOOK
        advice = (
            advice
            if left is None
            else _COUNT.format(module=_MODULES.get(call.function, "CrossEntropyLoss"))
        )
        meant = not sorted_data and left is None and classes[0] == 0
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
        words = {"checks": str(int(hits.sum())), "ones": short_number(each)}
        message = _SEVERAL.format(call=call.name, **words)
        evidence = call.evidence(q.CALL_TARGET_MEAN, hits)
        yield self._of(Severity.WARNING, evidence, (message, _LABELS), {"ones": each})

    def _smoothed(self, call: LossCallSeries) -> Iterator[Finding]:
        low, high = call.of(q.CALL_TARGET_MIN), call.of(q.CALL_TARGET_MAX)
        known = call.of(q.CALL_SAMPLES) >= self.min_samples
        two = (call.of(q.CALL_TARGET_UNIQUE) == _TWO) & (low == low[0]) & (high == high[0])
        if known.sum() < self.min_checks or not two[known].all() or not 0 < low[0] < high[0] < 1:
            return
        ends = np.array([low[0], high[0]])
        if np.abs(ends - 0.5).min() >= self.min_apart:
            return
        words = {"low": _known(float(low[0])), "high": _known(float(high[0]))}
        message = _SMOOTHED.format(call=call.name, checks=str(int(known.sum())), **words)
        evidence = call.evidence(q.CALL_TARGET_MAX, known, float(high[0]), 0.5 + self.min_apart)
        numbers = {"low": float(low[0]), "high": float(high[0])}
        yield self._of(Severity.WARNING, evidence, (message, _SMOOTH), numbers)

    def _of(
        self,
        severity: Severity,
        evidence: Evidence,
        texts: tuple[Text, Text],
        numbers: dict[str, float],
    ) -> Finding:
        return Finding(self.code, severity, evidence.column, (evidence,), *texts, numbers)


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
