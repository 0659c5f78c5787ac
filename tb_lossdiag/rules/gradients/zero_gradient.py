"""LD205 zero-gradient."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Before, in_force, last_seen
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.levels import Bools, Span, covered, spans
from tb_lossdiag.analysis.parameters import compact, listed, sizes, weights
from tb_lossdiag.diagnosis.counted import every
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_SOME = Text(
    "The gradient of {count} of {all} parameters is exactly 0 from step {first} to {last} ({records} records): {names}."
)
_ALL = Text(
    "The gradient of {whole} is exactly 0 from step {first} to {last} ({records} records), while the loss hardly falls: nothing the parameters do changes it."
)
_IDLE = Text(
    "The loss is exactly 0, and so is the gradient of {whole}, from step {first} to {last} ({records} records); over the whole run {percent}% of the steps changed nothing."
)
_IDLE_ADVICE = Text("""Look at the outputs: is everything learned, or is the loss cut off?

- A `clamp` inside the loss is flat beyond its ends: outputs that have got there stay. Use a loss of `torch.nn.functional` that takes raw
  outputs, such as `binary_cross_entropy_with_logits` for classes or `mse_loss` for measured values.
- A factor in front of it is 0: advantages of rewards that are all equal (does the parser of the answers ever match?), a coefficient, a mask.
- If a margin is really met by all samples, stop here, or ask for more: a larger margin, harder samples.""")
_ONE_PARAMETER = Text("the only parameter")
_ALL_PARAMETERS = Text("all {count} parameters")
_SOME_ADVICE = Text("""The loss does depend on {names} in the code, but with factor 0. Usual reasons, in this order:

- all units of a ReLU layer behind it are dead: a lower learning rate, `LeakyReLU` or `GELU`, smaller initial biases;
- its output is multiplied by 0: a gate, a mask, a residual scale that starts at 0 and never moves;
- everything is in a flat part: `clamp`, `round`, `argmax`, a saturated sigmoid in half precision.

```python
activation = dict()
module = model.get_submodule("{module}")
module.register_forward_hook(lambda m, i, o: activation.update(out=o.detach()))
model(inputs)
print(activation["out"].abs().mean(), (activation["out"] > 0).float().mean())
```""")
_ONE_STEP_ADVICE = Text("""A recurrent layer uses {names} from its second step on, and the loss reads the output of its first step alone:

- of a bidirectional layer `output[:, -1]` holds the forward direction after the whole sequence, but the backward one after the last token
  alone. Take the final states, which both have: `torch.cat([h_n[-2], h_n[-1]], dim=1)`; or the mean of `output` over all steps;
- `output[:, 0]` is the forward direction after the first token: see which dimension is time (`batch_first`);
- sequences of one step need no recurrent layer.""")
_ONE_STEP = re.compile(r"\bweight_hh_l\d+(_reverse)?$")
"""What torch's recurrent layers call the weights between one step and the next."""
_ALL_ADVICE = Text("""The output is constant for the loss. Usual reasons, in this order:

- a softmax over a single output: it is 1 whatever comes in. Use `BCEWithLogitsLoss` on the raw output, or no activation for regression;
- an output that `clamp`, `round` or a dead ReLU at the end has made flat;
- a factor of 0 in the loss itself: a coefficient (DPO's `beta`), a weight, advantages or rewards that are all equal;
- a difference of two equal things: both answers of a pair are the same;
- two factors that are both 0, as of an adapter of which one alone should begin so: the gradient of each is a multiple of the other;
- loss values that were turned into numbers and back.

```python
outputs = model(inputs)
print(outputs.min().item(), outputs.max().item(), outputs.grad_fn)
```""")


_ALL_MET = 2
"""What `EXCESS_OF_BOUND` says then."""


@dataclass(frozen=True)
class ZeroGradient:
    """A parameter has a gradient, and it is exactly zero.

    Why it matters: the parameter takes part in the computation and still learns nothing.

    How it decides: the L2 norm of a weight's gradient is exactly 0 in every step of at least `min_records` records in a row,
    which reach to the end of the run or make up `min_stretch` of it, while other parameters have one that is not 0. If the
    gradients of all parameters are 0 and the loss has lost less than `learned` of its start, that is an error. It is a warning if a loss
    that is none of PyTorch's functions is exactly 0 as well for `min_idle` of the run. Unit: records.

    What to try first: look at the outputs of these layers: are they all 0, or always the same?

    Guards against: parameters without a gradient (LD204) and frozen ones; biases alone; layers that start at zero and wake up
    in the first steps; branches that are used now and then; a loss that has reached its end, unless nearly the whole run was idle; there, too, margins
    that are met: of torch's functions, and of a loss by hand that is nothing but what exceeds a bound, whatever constant was added.

    References: Lu, Shin, Su and Karniadakis 2019, Dying ReLU and Initialization (arXiv 1903.06733); Wardat et al. 2021, DeepLocalize
    (arXiv 2103.03376).
    """

    code: ClassVar[str] = "LD205"
    name: ClassVar[str] = "zero-gradient"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Gradients are exactly zero")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS,
        q.PARAMETER_SIZE,
        q.CALL_VALUE,
        q.EXCESS_OF_BOUND,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD106", "LD523", "LD602")

    #: records in a row; an expert or a branch that is used now and then shows up within that many
    min_records: int = 20
    #: share of the run for a stretch that ended; a pause is shorter
    min_stretch: float = 0.5
    #: share of the starting loss, 1; beyond, the gradient may be 0 because there is nothing left to win
    learned: float = 0.9
    #: share of the run's steps, 1; who has met every margin within a tenth of the run has asked too little
    min_idle: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all weights, or one for the whole model."""
        table = run.highest(q.GRADIENT_NORM)
        known = np.isfinite(table.values)
        if (known.sum(axis=0) < self.min_records).all():
            least = self.min_records
            raise NotEnough(
                Text("at least {least} records of a parameter's gradient").format(least=least)
            )
        zero: Bools = known & (table.values == 0)
        # A record in which nothing has a gradient to speak of says nothing about a single layer.
        dark: Bools = np.logical_and.reduce(zero | ~known, axis=1)
        dark &= np.logical_or.reduce(known, axis=1)
        whole = self._stretch(dark, table.steps)
        if whole is not None:
            if not self._done(run, *whole.ends(table.steps)):
                yield self._finding(run, whole, list(table.columns), _ALL)
            elif self._idle(run, whole, dark):
                share = float((_steps(table.steps) * dark).sum() / _steps(table.steps).sum())
                yield self._finding(run, whole, list(table.columns), _IDLE, share)
            return
        yield from self._layers(run, zero, dark)

    def _stretch(self, mask: Bools, steps: Steps) -> Span | None:
        """The last stretch that is long enough, to the end or for most of the run."""
        found = spans(mask, self.min_records)
        to_the_end = (s for s in found if s.last == len(mask) - 1)
        able = [s for s in found if covered(s, steps) >= self.min_stretch]
        return next(to_the_end, able[-1] if able else None)

    def _done(self, run: Run, first: int, last: int) -> bool:
        """Whether the loss has nothing left to win; also if it isn't known."""
        if q.LOSS not in run or _all_met(run, first):
            return True
        loss = curve_of(run, q.LOSS)
        if not len(loss):
            return True
        fall = loss.fall_at(np.array([first, last], np.int64))
        return bool(fall.max() >= self.learned or loss.level[-1] == 0)

    def _idle(self, run: Run, whole: Span, dark: Bools) -> bool:
        """Whether an expression of one's own was exactly 0 for nearly the whole run."""
        steps = run.highest(q.GRADIENT_NORM).steps
        called = q.CALL_VALUE in run and run[q.CALL_VALUE].steps[-1] >= steps[whole.first]
        if q.LOSS not in run or called or whole.last != len(dark) - 1:
            return False
        loss = run[q.LOSS]
        if last_seen(run, q.EXCESS_OF_BOUND) >= steps[whole.first] and np.nanmin(loss.values) >= 0:
            return False  # a hinge: every sample meets what was asked for
        idle = in_force(dark, steps, loss.steps, Before.FIRST) & (loss.values[:, 0] == 0)
        span = _steps(loss.steps)
        return bool(idle[-1] and (span * idle).sum() >= self.min_idle * span.sum())

    def _layers(self, run: Run, zero: Bools, dark: Bools) -> Iterator[Finding]:
        columns = run[q.GRADIENT_NORM].columns
        is_weight = weights(columns, sizes(run, columns))
        lit = np.flatnonzero(~dark)
        dead = {}
        for index in np.flatnonzero(zero.any(axis=0)).tolist():
            span = self._stretch(zero[lit, index], run[q.GRADIENT_NORM].steps[lit])
            if span is not None:
                dead[index] = Span(int(lit[span.first]), int(lit[span.last]))
        if any(is_weight[index] for index in dead):
            first = min(span.first for span in dead.values())
            last = max(span.last for span in dead.values())
            names = [columns[index] for index in dead]
            yield self._finding(run, Span(first, last), names, _SOME)

    def _finding(
        self, run: Run, span: Span, names: list[str], text: Text, idle: float = 0.0
    ) -> Finding:
        table, all_of_them = run[q.GRADIENT_NORM], text is not _SOME
        ends = span.ends(table.steps)
        patterns = compact(names, table.columns)
        message = text.format(
            count=str(len(names)),
            all=str(len(table.columns)),
            whole=every(len(table.columns), _ONE_PARAMETER, _ALL_PARAMETERS),
            first=str(ends[0]),
            last=str(ends[1]),
            records=str(span.size),
            names=listed(patterns),
            percent=f"{100 * idle:.0f}",
        )
        some = _some_advice(names, listed(patterns, 2))
        advice = {_ALL: _ALL_ADVICE, _IDLE: _IDLE_ADVICE}.get(text, some)
        shown = names[:1] if all_of_them else _one_each(patterns, names)
        evidence = tuple(Evidence(q.GRADIENT_NORM.name, name, *ends, 0.0, 0.0) for name in shown)
        subject = patterns[0] if len(patterns) == 1 and not all_of_them else ""
        severity = Severity.ERROR if text is _ALL else self.severity
        numbers = {"parameters": len(names), "records": span.size}
        return Finding(self.code, severity, subject, evidence, message, advice, numbers)


def _some_advice(names: list[str], shown: str) -> Text:
    if all(_ONE_STEP.search(name) for name in names):
        return _ONE_STEP_ADVICE.format(names=shown)
    return _SOME_ADVICE.format(names=shown, module=names[0].rpartition(".")[0])


def _all_met(run: Run, first: int) -> bool:
    """Whether a check-up from this step on saw every sample meet its bound, in a loss that a constant keeps from being 0 there."""
    if q.EXCESS_OF_BOUND not in run:
        return False
    table = run[q.EXCESS_OF_BOUND]
    return bool((table.values[table.steps >= first] == _ALL_MET).any())


def _steps(records: Steps) -> Steps:
    """int64[T]: steps that each record stands for: records are rarer later on."""
    return np.diff(records, prepend=records[0] - 1)


def _one_each(patterns: tuple[str, ...], names: list[str]) -> list[str]:
    """The first parameter of each pattern."""
    heads = (pattern.removesuffix("*") for pattern in patterns)
    found = [next(n for n in names if n == head or n.startswith(head)) for head in heads]
    return list(dict.fromkeys(found))
