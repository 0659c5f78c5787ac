"""LD718 sample-leak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns
from tb_lossdiag.analysis.probes import Answer, answers
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Mixing, Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The answer for a sample depends on the other samples of its batch: when every second one was replaced, the outputs of the others changed by {change} of their spread, in a copy of the model in eval() at step {step}. {how}{where}."
)
_PLACE = Text(
    "The answer for a sample depends on its place in the batch: two equal samples got answers that lie {change} of the outputs' spread apart, in a copy of the model in eval() at step {step}, with the same random numbers and no other ones drawn."
)
_PLACE_ADVICE = Text("""Something is counted along the batch instead of the sequence. Where samples come first, places are the second axis:

```python
places = torch.arange(x.shape[1])  # not x.shape[0], as in code for (sequence, batch, features)
```

Two equal samples must then have equal answers:

```python
model.eval()
with torch.no_grad():
    twice = model(torch.cat([x[:1], x[:1]]))
print(float((twice[0] - twice[1]).abs().max()))  # 0 but for rounding
model.train()
```""")
_WHERE = Text(" in `{where}`")
_HOW: Mapping[Mixing, Text] = {
    Mixing.UNKNOWN: Text("Samples meet, as by a reshape that mixes axes,"),
    Mixing.SOFTMAX: Text("A softmax runs over the samples"),
    Mixing.NORMALISATION: Text("Something is normalised over the samples"),
    Mixing.RECURRENT: Text("A recurrent layer takes the samples for time steps"),
    Mixing.ATTENTION: Text("Attention takes the samples for the places of a sequence"),
}
_ADVICE = Text("""{fix}

Then one sample must say the same alone and among others:

```python
model.eval()
with torch.no_grad():
    print(float((model(x[:1]) - model(x)[:1]).abs().max()))  # 0 but for rounding
model.train()
```""")
_FIX: Mapping[Mixing, Text] = {
    Mixing.UNKNOWN: Text("""Look where two axes change places. `view` and `reshape` keep the order in memory, so they never do that:

```python
swapped = x.transpose(0, 1)  # not x.reshape(x.shape[1], x.shape[0])
```

An index or a sum over the first axis mixes samples as well."""),
    Mixing.SOFTMAX: Text("""Name the axis of the classes. Without `dim`, and with `dim=0`, it may be that of the samples:

```python
probabilities = output.softmax(dim=-1)
```"""),
    Mixing.NORMALISATION: Text("""A layer that has learned statistics of its own uses those in eval(), and a length is that of one sample:

```python
layer = nn.BatchNorm1d(8)
unit = torch.nn.functional.normalize(output, dim=-1)
```"""),
    Mixing.RECURRENT: Text("""PyTorch's recurrent layers expect (time, batch, features) unless they are told otherwise:

```python
layer = nn.LSTM(8, 16, batch_first=True)  # (batch, time, features)
```"""),
    Mixing.ATTENTION: Text("""PyTorch's attention expects (sequence, batch, features) unless it is told otherwise:

```python
layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)  # (batch, sequence, features)
```"""),
}


@dataclass(frozen=True)
class SampleLeak:
    """What the model says of one sample depends on the others in its batch, or on its place there.

    Why it matters: in training it works, since batches look alike; alone, or in another company, the same sample gets another answer. The
    model learns from what belongs to other samples, and the loss shows nothing of it.

    How it decides: a copy of the model in eval() is asked twice with the batch of a check-up, once with every second sample replaced by its
    neighbour, and the outputs of the kept ones change by more than `max_change` of the outputs' standard deviation (`max_known_change` where it was seen how samples meet), though the
    random numbers were the same. The replaced ones must have changed by `min_moved`. Where two axes may hold the samples, both must
    mix, unless the numbers go on smoothly along the one that does not, or rows are filled up along it to lengths that have nothing in common from one to the next, which so is time. Or two equal samples get answers that differ by
    `max_change`, in a model that draws no random numbers. Unit: 1.

    What to try first: the axis of the softmax, `batch_first=True`, `transpose` instead of `view`.

    Guards against: sets, graphs, episodes and other models that compare samples with each other or sum over them; batch normalisation without
    running statistics; scores of all against all; memory banks; one long series; states and codes that belong to single samples; outputs that belong to no sample; float rounding.

    References: Karpathy 2019, "A recipe for training neural networks" (chart dependencies); ctallec/world-models issue 10.
    """

    code: ClassVar[str] = "LD718"
    name: ClassVar[str] = "sample-leak"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Samples of a batch change each other")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PROBE_SAMPLE_CHANGE,
        q.PROBE_SAMPLE_MOVED,
        q.PROBE_MIXING,
        q.PROBE_PLACE_CHANGE,
        q.PROBE_NOISE,
        q.PROBE_SKIPPED,
    )
    explains: ClassVar[tuple[str, ...]] = (
        "LD104",
        "LD105",
        "LD108",
        "LD109",
        "LD523",
        "LD602",
        "LD705",
        "LD716",
    )

    #: of the outputs' standard deviation, 1; healthy models have 0, rounding in float32 1e-6, in bfloat16 4e-3; mixing ones 0.04 to 1.9
    max_change: float = 0.01
    #: the same where it is known how samples meet, 1
    max_known_change: float = 0.002
    #: the same of the replaced samples, 1; a model that answers all alike tells nothing
    min_moved: float = 0.02

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per watched model whose samples change each other."""
        for answer in answers(run, q.PROBE_SAMPLE_CHANGE, q.PROBE_SAMPLE_MOVED):
            at = np.array([answer.step], np.int64)
            how = _mixing(at_steps(run, q.PROBE_MIXING, at, answer.name, 0.0)[0])
            bound = self.max_change if how is Mixing.UNKNOWN else self.max_known_change
            mixes = answer.value >= bound and answer.moved >= self.min_moved
            if mixes and how is not Mixing.MEANT:
                yield self._finding(run, answer, how)
            elif answer.value < self.max_known_change:
                yield from self._counted(run, answer)

    def _counted(self, run: Run, answer: Answer) -> Iterator[Finding]:
        """Samples are apart, but what is equal is not answered alike, and no chance is in it."""
        at = np.array([answer.step], np.int64)
        value = float(at_steps(run, q.PROBE_PLACE_CHANGE, at, answer.name)[0])
        noise = {n: values[-1] for n, _, values in columns(run, q.PROBE_NOISE) if len(values)}
        if value >= self.max_change and noise.get(answer.name) == 0:
            message = _PLACE.format(change=short_number(value), step=str(answer.step))
            ends = answer.step, answer.step
            evidence = Evidence(
                q.PROBE_PLACE_CHANGE.name, answer.name, *ends, value, self.max_change
            )
            numbers = {"change": value, "moved": answer.moved}
            yield Finding(
                self.code, self.severity, answer.name, (evidence,), message, _PLACE_ADVICE, numbers
            )

    def _finding(self, run: Run, answer: Answer, how: Mixing) -> Finding:
        where = run.facts.get(f"samples meet in {answer.name}".rstrip(), "")
        message = _MESSAGE.format(
            change=short_number(answer.value),
            step=str(answer.step),
            how=_HOW[how],
            where=_WHERE.format(where=where) if where else Text(""),
        )
        advice = _ADVICE.format(fix=_FIX[how])
        evidence = answer.beyond(q.PROBE_SAMPLE_CHANGE, self.max_change)
        numbers = {"change": answer.value, "moved": answer.moved, "mixing": float(how)}
        return Finding(self.code, self.severity, answer.name, (evidence,), message, advice, numbers)


def _mixing(recorded: float) -> Mixing:
    """Where samples meet; a number that no version has written says nothing."""
    return next((mixing for mixing in Mixing if mixing == recorded), Mixing.UNKNOWN)
