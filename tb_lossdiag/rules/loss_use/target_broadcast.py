"""LD504 target-broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.loss_calls import LossCallSeries, calls, counts, mostly
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "In {count} of {checks} check-ups `{call}` compared every output with all {samples} targets of the batch: the shapes differ and broadcast to {ratio} times as many elements."
)
_ONE = Text(
    "In {count} of {checks} check-ups `{call}` compared {outputs} outputs, of one sample, with at least {targets} different targets: one answer stands for all of the batch."
)
_CROSSED = Text(
    "In {checks} check-ups up to step {step} the loss was made from {samples} times {samples} numbers: a column such as (N, 1) met a row such as (N,), and what belongs to one sample of the batch was taken with what belongs to every other."
)
_CROSSED_ADVICE = Text("""Bring both to one shape before they meet, and let an assertion keep them there:

```python
values = model(x).squeeze(-1)  # (N, 1) to (N,)
assert values.shape == target.shape, (values.shape, target.shape)
difference = target - values
```

An output layer with one unit gives (N, 1); returns, actions, rewards, log-probabilities and errors that were averaged over an axis are
(N,), weights of samples may be either. What is subtracted here as a target or a baseline may have no gradient, so that no shape of the loss shows it.""")
_ADVICE = Text("""Bring both to one shape, and let an assertion keep them there:

```python
prediction = model(x).squeeze(-1)  # (N, 1) to (N,)
assert prediction.shape == target.shape, (prediction.shape, target.shape)
loss = torch.nn.functional.{function}(prediction, target)
```

If it is the target that lacks a dimension, use `target.unsqueeze(1)`.""")
_ONE_ADVICE = Text("""Keep the samples apart up to the loss, and let an assertion say so:

```python
prediction = model(x)
assert len(prediction) == len(target), (prediction.shape, target.shape)
loss = torch.nn.functional.{function}(prediction.view_as(target), target)
```

Look for a mean, a sum or a pool that runs over the batch as well: over graphs it needs the batch vector (`global_mean_pool(x, batch)`),
over other inputs its `dim`.""")


@dataclass(frozen=True)
class TargetBroadcast:
    """Outputs and targets have different shapes that broadcast against each other.

    Why it matters: (N, 1) against (N,) becomes (N, N). Every output is compared with every target of the batch, so the best answer is
    the mean of the targets, whatever the input.

    How it decides: the loss worked on exactly N times as many elements as the larger of output and target has, N being the batch size
    (at least `min_samples`); in most check-ups, one is enough. Or a column and a row of N numbers each, of different memory, were
    subtracted, multiplied or divided on the way to a loss of one's own, in `min_crossed` check-ups; or (N, 1, 1) and (N, M), and so on, one of them with a gradient. A warning: the output has one sample, and there are more different
    targets than it has elements. Unit: 1.

    What to try first: `squeeze(-1)` the output, or `unsqueeze(1)` the target.

    Guards against: a target that stands for all (a scalar, a row), which makes nothing larger; pairs made on purpose, such as
    all quantiles of a sample against all, which multiply by their own number; several targets of each sample; distances of all to all, where
    the dimension was asked for.

    References: PyTorch, "Broadcasting semantics"; the warning of `torch.nn.functional.mse_loss` about different sizes.
    """

    code: ClassVar[str] = "LD504"
    name: ClassVar[str] = "target-broadcast"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Targets broadcast against outputs")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_BROADCAST, q.CALL_SAMPLES)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_OUTPUTS, q.CALL_TARGET_UNIQUE, q.ALL_AGAINST_ALL,
    )  # fmt: skip
    instead: ClassVar[tuple[Quantity, ...]] = (q.ALL_AGAINST_ALL,)
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD105",
        "LD109",
        "LD201",
        "LD523",
        "LD602",
        "LD705",
        "LD707",
    )

    #: samples; a batch of one has nothing to be mixed with
    min_samples: int = 2
    #: check-ups; what is done once may be a look at something
    min_crossed: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per call whose target broadcasts over the batch."""
        crossed = list(self._crossed(run))
        yield from crossed
        known_anywhere = bool(crossed)
        for call in [] if crossed else calls(run):
            ratio, samples = call.of(q.CALL_BROADCAST), call.of(q.CALL_SAMPLES)
            known = ~np.isnan(ratio) & (samples >= self.min_samples)
            known_anywhere |= bool(known.any())
            pairs = (
                call.of(q.CALL_OUTPUTS) == ratio
            )  # each of a sample's outputs against each of its targets
            hits = known & (ratio == samples) & ~(pairs & (ratio > 1))
            if mostly(hits, known, 1):
                yield self._finding(call, hits, known)
            # A batch of one is judged here alone: its targets may be those of a whole batch.
            there = ~np.isnan(ratio)
            known_anywhere |= bool(there.any())
            few = there & (samples == 1)
            few &= call.of(q.CALL_TARGET_UNIQUE) > call.of(q.CALL_OUTPUTS)
            if mostly(few, there, 1):
                yield self._one_for_all(call, few, there)
        if not known_anywhere:
            raise NotEnough(
                Text("a loss of outputs and targets of one shape, on a batch of two or more")
            )

    def _crossed(self, run: Run) -> Iterator[Finding]:
        for column, steps, samples in columns(run, q.ALL_AGAINST_ALL):
            if len(steps) >= self.min_crossed:
                size = float(np.median(samples))
                ends = int(steps[0]), int(steps[-1])
                text = _CROSSED.format(
                    checks=str(len(steps)), step=str(ends[1]), samples=short_number(size)
                )
                evidence = Evidence(q.ALL_AGAINST_ALL.name, column, *ends, size)
                shown = (evidence,)
                numbers = {"samples": size}
                yield Finding(
                    self.code, self.severity, column, shown, text, _CROSSED_ADVICE, numbers
                )

    def _finding(self, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        samples = float(np.median(call.of(q.CALL_SAMPLES)[hits]))
        ratio = float(np.median(call.of(q.CALL_BROADCAST)[hits]))
        message = _MESSAGE.format(
            call=call.name,
            **counts(hits, known),
            samples=short_number(samples),
            ratio=short_number(ratio),
        )
        evidence = call.evidence(q.CALL_BROADCAST, hits, ratio, 1.0)
        shown = "mse_loss" if call.function == "custom" else call.function
        advice = _ADVICE.format(function=shown)
        numbers = {"ratio": ratio, "samples": samples}
        return Finding(self.code, self.severity, call.name, (evidence,), message, advice, numbers)

    def _one_for_all(self, call: LossCallSeries, hits: Bools, known: Bools) -> Finding:
        """Prediction, not target, is repeated over the batch."""
        outputs, targets = (
            float(np.median(call.of(quantity)[hits]))
            for quantity in (q.CALL_OUTPUTS, q.CALL_TARGET_UNIQUE)
        )
        message = _ONE.format(
            call=call.name,
            **counts(hits, known),
            outputs=short_number(outputs),
            targets=short_number(targets),
        )
        evidence = call.evidence(q.CALL_TARGET_UNIQUE, hits, targets, outputs)
        shown = "mse_loss" if call.function == "custom" else call.function
        advice = _ONE_ADVICE.format(function=shown)
        numbers = {"outputs": outputs, "targets": targets}
        severity = Severity.WARNING
        return Finding(self.code, severity, call.name, (evidence,), message, advice, numbers)
