"""LD501 softmax-before-cross-entropy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.activation_ranges import cross_entropy_floor
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls, calls_if_any, counts, mostly
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Form, Quantity, Source, of_form
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "`{call}` was given probabilities in {count} of {checks} check-ups: values from {low} to {high}, softmax already applied. It applies softmax again, so with {classes} classes the loss can't fall below {floor}."
)
_TWICE_MESSAGE = Text(
    "The log-probabilities that `{call}` was given in {count} of {checks} check-ups come from a softmax of probabilities: softmax was applied twice, so no probability can come near 1."
)
_ON_THE_WAY = Text(
    "On the way to the loss a softmax over {classes} classes was taken of another softmax's result, in {checks} check-ups up to step {step}: {classes} numbers between 0 and 1 are weak logits, so none can become more than 2.72 times as likely as another."
)
_LOG_MESSAGE = Text(
    "`{call}` was given log-probabilities in {count} of {checks} check-ups. It applies log-softmax again, which changes nothing but costs time."
)
_ADVICE = Text("""Give the loss the raw outputs of the last layer, and use softmax only to report probabilities:

```python
logits = model(x)  # no softmax at the end of the model
loss = torch.nn.functional.cross_entropy(logits, target)
probabilities = logits.softmax(dim=1)  # for people, not for the loss
```

If the model has to return probabilities, `nll_loss(probabilities.clamp_min(1e-8).log(), target)` is right too, only less exact.""")
_TWICE_ADVICE = Text("""Apply softmax once. Where the loss takes log-probabilities, that is its logarithm, of the raw outputs:

```python
logits = model(x)  # no softmax at the end of the model
loss = torch.nn.functional.nll_loss(logits.log_softmax(dim=1), target)
```""")
_WAY_ADVICE = Text("""Say of which kind the numbers are; a distribution of torch takes either, by its name:

```python
scores = model(x)  # nothing after the last layer
choice = torch.distributions.Categorical(logits=scores)
choice = torch.distributions.Categorical(probs=scores.softmax(dim=-1))  # the same
```

A model that ends in a softmax goes with `probs=`.""")
_LOG_ADVICE = Text("""Either give `cross_entropy` the raw outputs, or keep the log-softmax and use

```python
loss = torch.nn.functional.nll_loss(log_probabilities, target)
```""")


@dataclass(frozen=True)
class SoftmaxBeforeCrossEntropy:
    """Softmax is applied before cross-entropy, which applies it itself.

    Why it matters: numbers between 0 and 1 are weak logits. Even a perfect model keeps a loss of ln(1 + (C - 1)/e) with C classes,
    1.46 for ten, and its gradients are small from the start.

    How it decides: the input of `cross_entropy` lies in [0, 1], and it comes from a softmax (seen in the autograd graph, once is
    enough) or all its rows sum to 1 within `max_row_error` in at least `min_checks` check-ups; in most check-ups either way.
    Or a loss of log-probabilities gets the log-softmax of a softmax's output (both seen in the graph). Or, in as many check-ups, what is
    backpropagated is made of a softmax, log-softmax or logsumexp of a softmax's very result over the same dimension, as
    `Categorical(logits=probabilities)` is.
    Log-probabilities into `cross_entropy` are an information only: log-softmax of them is the same again.

    What to try first: remove the softmax from the model; `cross_entropy` takes logits.

    Guards against: log-probabilities into `nll_loss`, which is right; soft targets (distillation, label smoothing), which are on the
    other side of the loss; logits that happen to be small, whose rows don't sum to 1; a linear layer's output, whatever its values.

    References: PyTorch, `torch.nn.CrossEntropyLoss` ("input is expected to contain the unnormalized logits"); PyTorch forum, thread
    43814.
    """

    code: ClassVar[str] = "LD501"
    name: ClassVar[str] = "softmax-before-cross-entropy"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Softmax before cross-entropy")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_INPUT_MIN, q.CALL_INPUT_MAX)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_SOURCE,
        q.CALL_SOURCE_BEFORE,
        q.CALL_OUTPUTS,
        q.CALL_ROW_SUM_ERROR,
        q.CALL_ROW_EXP_ERROR,
        q.SOFTMAX_TWICE,
    )
    instead: ClassVar[tuple[Quantity, ...]] = (q.SOFTMAX_TWICE,)
    explains: ClassVar[tuple[str, ...]] = (
        "LD104", "LD105", "LD106", "LD108", "LD109", "LD201", "LD205", "LD407", "LD509", "LD523", "LD601", "LD602", "LD701", "LD704", "LD705", "LD707", "LD722",
    )  # fmt: skip

    #: |row sum - 1|, 1; softmax in bfloat16 (8 bits of mantissa) errs by about 1e-2
    max_row_error: float = 0.02
    #: check-ups; one batch of one sample may sum to 1 by chance, two don't
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per call that is given probabilities or log-probabilities."""
        found = list(self._on_the_way(run))
        yield from found
        judged = calls_if_any if found else calls
        for call in judged(run, ("cross_entropy", *of_form(Form.LOG_PROBABILITIES))):
            if call.function != "cross_entropy":
                yield from self._twice(call)
                continue
            low, high = call.of(q.CALL_INPUT_MIN), call.of(q.CALL_INPUT_MAX)
            known = ~np.isnan(low) & ~np.isnan(high)
            inside = (low >= 0) & (high <= 1 + self.max_row_error)
            made = inside & call.made_by(Source.SOFTMAX)
            sums = inside & (call.of(q.CALL_ROW_SUM_ERROR) <= self.max_row_error)
            plain = call.made_by(Source.LINEAR, Source.RELU, Source.TANH, Source.SIGMOID)
            if mostly(made, known, 1):
                yield self._finding(call, made, known)
            elif mostly(sums & ~plain, known, self.min_checks):
                yield self._finding(call, sums & ~plain, known)
            else:
                yield from self._log(call, known)

    def _finding(self, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        low, high = (
            float(call.of(q.CALL_INPUT_MIN)[hits].min()),
            float(call.of(q.CALL_INPUT_MAX)[hits].max()),
        )
        classes = max(np.nan_to_num(call.typical(q.CALL_OUTPUTS), nan=2.0), 2.0)
        floor = cross_entropy_floor(Source.SOFTMAX, classes) or 0.0
        message = _MESSAGE.format(
            call=call.name,
            **counts(hits, known),
            low=short_number(low),
            high=short_number(high),
            classes=short_number(classes),
            floor=short_number(floor),
        )
        numbers = {"classes": classes, "floor": floor}
        evidence = call.evidence(q.CALL_INPUT_MAX, hits, high, 1.0)
        return self._of(self.severity, evidence, (message, _ADVICE), numbers)

    def _on_the_way(self, run: Run) -> Iterator[Finding]:
        """Where no loss function of torch is called; with one, its call says more."""
        if calls_if_any(run, ("cross_entropy", *of_form(Form.LOG_PROBABILITIES))):
            return
        for column, steps, seen in columns(run, q.SOFTMAX_TWICE):
            if len(steps) >= self.min_checks:
                classes, ends = float(np.median(seen)), (int(steps[0]), int(steps[-1]))
                message = _ON_THE_WAY.format(
                    classes=short_number(classes), checks=str(len(steps)), step=str(ends[1])
                )
                evidence = Evidence(q.SOFTMAX_TWICE.name, column, *ends, classes)
                numbers = {"classes": classes}
                yield self._of(self.severity, evidence, (message, _WAY_ADVICE), numbers)

    def _twice(self, call: LossCallSeries) -> Iterator[Finding]:
        known = ~np.isnan(call.of(q.CALL_SOURCE))
        hits = call.made_by(Source.LOG_SOFTMAX) & call.made_before(Source.SOFTMAX)
        if not mostly(hits, known, 1):
            return
        message = _TWICE_MESSAGE.format(call=call.name, **counts(hits, known))
        evidence = call.evidence(q.CALL_SOURCE_BEFORE, hits)
        yield self._of(self.severity, evidence, (message, _TWICE_ADVICE), {})

    def _log(self, call: LossCallSeries, known: Bools) -> Iterator[Finding]:
        normal = call.of(q.CALL_ROW_EXP_ERROR) <= self.max_row_error
        hits = (
            normal
            & (call.of(q.CALL_INPUT_MAX) <= self.max_row_error)
            & ~call.made_by(Source.LINEAR)
        )
        if mostly(hits, known, self.min_checks):
            message = _LOG_MESSAGE.format(call=call.name, **counts(hits, known))
            evidence = call.evidence(q.CALL_INPUT_MAX, hits, None, 0.0)
            yield self._of(Severity.INFO, evidence, (message, _LOG_ADVICE), {})

    def _of(
        self,
        severity: Severity,
        evidence: Evidence,
        texts: tuple[Text, Text],
        numbers: dict[str, float],
    ) -> Finding:
        return Finding(self.code, severity, evidence.column, (evidence,), *texts, numbers)
