"""LD503 logits-into-probability-loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls, counts, mostly
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Form, Quantity, Source, of_form
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "`{call}` expects {wants}, but was given {got} in {count} of {checks} check-ups: values from {low} to {high}."
)
_LOG = Text("log-probabilities")
_UNIT = Text("probabilities")
_RAW = Text("raw outputs")
_SOFT = Text("probabilities without their logarithm")
_RATE = Text("rates, never below 0")
_LOG_RATE = Text("the logarithm of a rate")
_POSITIVE = Text("what an activation has made positive")
_AXIS = Text("a log-softmax over another dimension")
_NLL = Text("""Use the loss that takes logits, or put a log-softmax over the class dimension in front:

```python
loss = torch.nn.functional.cross_entropy(logits, target)
# the same: torch.nn.functional.nll_loss(logits.log_softmax(dim=1), target)
```

If the model ends in a softmax, replace it by `log_softmax`; as it is, the loss falls towards -1 and rewards no certainty.""")
_KL = Text("""The first argument of `kl_div` is a log-probability, the second a probability:

```python
loss = torch.nn.functional.kl_div(logits.log_softmax(dim=-1), target, reduction="batchmean")
```""")
_BCE = Text("""Use the loss that takes logits; it is also more exact than a sigmoid followed by a logarithm:

```python
loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
```""")
_CTC = Text("""`ctc_loss` takes log-probabilities over the classes, the last dimension of (time, batch, classes):

```python
loss = torch.nn.functional.ctc_loss(outputs.log_softmax(dim=-1), targets, input_lengths, target_lengths)
```""")
_POISSON = Text("""Say which of both the model puts out. As the logarithm of the rate, a linear layer's output is right as it is:

```python
loss = torch.nn.functional.poisson_nll_loss(log_rate, target)  # nothing after the last layer
# a rate that is positive already, from softplus or exp: poisson_nll_loss(rate, target, log_input=False)
```""")
_DICE = Text("""An overlap counts how much of the mask is covered, so it takes what lies between 0 and 1; raw outputs can make it any number:

```python
likely = logits.sigmoid()  # one mask; of several classes, logits.softmax(dim=1)
loss = 1 - 2 * (likely * target).sum() / (likely.sum() + target.sum())
```""")
_ADVICE = {
    "dice_loss": _DICE,
    "nll_loss": _NLL,
    "kl_div": _KL,
    "ctc_loss": _CTC,
    "binary_cross_entropy": _BCE,
    "poisson_nll_loss": _POISSON,
}
_WANTS = {
    Form.PROBABILITIES: _UNIT,
    Form.LOG_PROBABILITIES: _LOG,
    Form.RATES: _RATE,
    Form.LOG_RATES: _LOG_RATE,
}
_FUNCTIONS = of_form(*_WANTS)


@dataclass(frozen=True)
class LogitsIntoProbabilityLoss:
    """A loss that expects probabilities is given something else.

    Why it matters: `nll_loss` only picks the output of the right class. Without log-softmax nothing holds the other outputs down, and
    the loss falls without bound while the model learns little.

    How it decides: in most check-ups, and at least `min_checks`, a loss of log-probabilities (`nll_loss`, `kl_div`, `ctc_loss`) gets
    values above 0, none below 0, or what comes straight from a softmax; or, except `kl_div`, rows whose exponentials don't sum to 1
    (error above `min_row_error`); `binary_cross_entropy`, or an overlap with a mask (Dice, Jaccard: told from its value), gets values
    outside [0, 1]; `poisson_nll_loss` gets rates below 0, or, as
    logarithms, the output of a softplus, exponential or softmax. A log-softmax over another dimension than the classes shows the same
    way and is named.

    What to try first: use the loss that takes logits, or log-softmax over the class dimension.

    Guards against: log-softmax in half precision; log(p + epsilon), whose rows sum to nearly 1; `kl_div` over whatever dimension.

    References: PyTorch, `torch.nn.NLLLoss`, `torch.nn.KLDivLoss`, `torch.nn.BCELoss`; Milletari et al. 2016 (Dice); UMLAUT (Schoop et al. 2021), "missing softmax
    layer before loss".
    """

    code: ClassVar[str] = "LD503"
    name: ClassVar[str] = "logits-into-probability-loss"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The loss expects probabilities")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_INPUT_MIN, q.CALL_INPUT_MAX)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_ROW_EXP_ERROR,
        q.CALL_UNIT_SHARE,
        q.CALL_SOURCE,
        q.CALL_FORM,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD104", "LD105", "LD106", "LD109", "LD110", "LD202", "LD205", "LD523", "LD601", "LD602", "LD608", "LD704", "LD707", "LD722",
    )  # fmt: skip

    #: |sum of exp over classes - 1|, 1; log-probabilities err by 1e-2 in bfloat16, by classes x epsilon after log(p + epsilon)
    min_row_error: float = 0.2
    #: logarithm, 1; half precision rounds ln 1 that far up
    max_log: float = 0.01
    #: check-ups; what a loss is given is the same in every step
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per call that is given the wrong kind of numbers."""
        for call in calls(run, _FUNCTIONS):
            if call.form not in _WANTS:
                continue
            known = ~np.isnan(call.of(q.CALL_INPUT_MIN)) & ~np.isnan(call.of(q.CALL_INPUT_MAX))
            hits = self._wrong(call)
            if mostly(hits, known, self.min_checks):
                yield self._finding(call, hits & known, known)

    def _wrong(self, call: LossCallSeries) -> Bools:
        low, high = call.of(q.CALL_INPUT_MIN), call.of(q.CALL_INPUT_MAX)
        if call.form is Form.PROBABILITIES:
            outside: Bools = call.of(q.CALL_UNIT_SHARE) < 1
            return outside
        if call.form is Form.RATES:
            return low < 0
        if call.form is Form.LOG_RATES:
            return call.made_by(Source.POSITIVE, Source.SOFTMAX)
        # Of many classes no probability may reach `max_log`; a logarithm is 0 only where it is the only class.
        positive: Bools = (high > self.max_log) | ((low >= 0) & (high > 0))
        positive |= call.made_by(Source.SOFTMAX)
        if call.function == "kl_div":
            return positive
        return positive | (call.of(q.CALL_ROW_EXP_ERROR) > self.min_row_error)

    def _finding(self, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        low = float(call.of(q.CALL_INPUT_MIN)[hits].min())
        high = float(call.of(q.CALL_INPUT_MAX)[hits].max())
        wants, got = _WANTS[call.form], _got(call, hits)
        words = {
            **counts(hits, known),
            "low": short_number(low),
            "high": short_number(high),
            "call": call.name,
        }
        message = _MESSAGE.format(wants=wants, got=got, **words)
        bound = 1.0 if wants is _UNIT else 0.0
        evidence = call.evidence(q.CALL_INPUT_MAX, hits, high, bound)
        numbers = {"low": low, "high": high}
        advice = _ADVICE[call.function]
        return Finding(self.code, self.severity, call.name, (evidence,), message, advice, numbers)


def _got(call: LossCallSeries, hits: Bools) -> Text:
    """What the loss was given instead."""
    if call.made_by(Source.LOG_SOFTMAX)[hits].all():
        return _AXIS
    if call.form is Form.LOG_RATES:
        return _POSITIVE
    soft = call.made_by(Source.SOFTMAX, Source.SIGMOID)
    return _SOFT if soft[hits].all() else _RAW
