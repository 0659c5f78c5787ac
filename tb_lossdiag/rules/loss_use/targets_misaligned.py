"""LD514 targets-misaligned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import at_steps, columns
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_SAME = Text(
    "In {checks} check-ups the targets of `{call}` were the very tokens that the model was given, each at its own place: the answer is in the question."
)
_TWICE = Text(
    "In {checks} check-ups the targets of `{call}` lay two tokens ahead of what the model was given: they were shifted twice."
)
_SHOWN = Text(
    "In {checks} check-ups {percent}% of the targets of `{call}` stood in the input at their own places, and one token hid most of the others: the model is mostly asked for what it is shown."
)
_HIDE = Text("""A masked language model is asked for what was hidden, so let the other targets count for nothing:

```python
hidden = torch.rand(tokens.shape) < 0.15
mask_token = 3  # the tokenizer's `mask_token_id`
inputs = tokens.masked_fill(hidden, mask_token)
labels = tokens.masked_fill(~hidden, -100)  # what cross_entropy ignores
```

Transformers' `DataCollatorForLanguageModeling(tokenizer, mlm=True)` does both. A denoising autoencoder that is to repeat the rest as well is
right as it is: accept the finding in `lossdiag.toml`.""")
_SHIFT = Text("""A language model is asked for the next token, so shift once:

```python
scores = model(tokens[:, :-1])
loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten())
```

Models of Transformers shift by themselves: give them `labels=tokens`. An autoencoder that is to repeat its input is right as it is:
accept the finding in `lossdiag.toml`.""")
_ONCE = Text("""Shift in one place: either the loader or the loss. Models of Transformers shift by themselves, so give them the tokens as labels:

```python
inputs = dict(input_ids=tokens, labels=tokens)
```""")


@dataclass(frozen=True)
class TargetsMisaligned:
    """A sequence model is trained on its own input, what a mask leaves to see, or two tokens ahead.

    Why it matters: a model that is asked for what it is given learns to copy: the loss falls to nothing and it can generate nothing. One
    that is trained two tokens ahead looks healthy and writes nonsense.

    How it decides: in each of at least `min_checks` check-ups that could compare `min_compared` targets or more, all but a hundredth of them
    are the input's tokens at the same place (a warning; of an encoder with a decoder, the decoder's own input), or two places ahead (an error); or at least `min_shown` of those that count are, and
    most others lie behind one and the same token, a mask (a warning). Places where neighbouring tokens are the same
    don't count. Unit: targets.

    What to try first: shift the labels by one, once.

    Guards against: masked language models in which what counts is hidden, but for the tenth that is left to see; corrections of text, whose
    other tokens differ; a source that is to be repeated by a decoder
    that begins a place earlier, with words left out or not; labels that a model is given and never looks up; tagging, where targets are other classes.

    References: Transformers, "Causal language modeling": models shift labels inside.
    """

    code: ClassVar[str] = "LD514"
    name: ClassVar[str] = "targets-misaligned"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The targets are not the next tokens")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CALL_ALIGNED, q.CALL_TARGET_AHEAD)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CALL_SHOWN,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: check-ups; one may be a trial
    min_checks: int = 3
    #: targets; chance makes all of so few the same once in 10**30 for ten tokens
    min_compared: int = 32
    #: share of the targets that count, 1; where they are chosen as BERT does it a tenth is left to see, where all count 85 %
    min_shown: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call whose targets lie elsewhere."""
        for call, steps, ahead in columns(run, q.CALL_TARGET_AHEAD):
            enough = at_steps(run, q.CALL_ALIGNED, steps, call) >= self.min_compared
            places = np.unique(ahead[enough])
            if enough.sum() < self.min_checks or len(places) != 1 or places[0] not in {0, 2}:
                continue
            yield self._finding(call, (steps[enough], float(places[0])))
        for call, steps, shown in columns(run, q.CALL_SHOWN):
            enough = at_steps(run, q.CALL_ALIGNED, steps, call) >= self.min_compared
            share = float(np.median(shown[enough])) if enough.sum() >= self.min_checks else 0.0
            if share >= self.min_shown:
                yield self._shown(call, steps[enough], share)

    def _shown(self, call: str, steps: Steps, share: float) -> Finding:
        words = {"checks": short_number(len(steps)), "percent": f"{100 * share:.0f}"}
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(q.CALL_SHOWN.name, call, *ends, share, self.min_shown)
        numbers = {"checks": len(steps), "shown": share}
        message = _SHOWN.format(call=call, **words)
        severity = Severity.WARNING
        return Finding(self.code, severity, call, (evidence,), message, _HIDE, numbers)

    def _finding(self, call: str, seen: tuple[Steps, float]) -> Finding:
        steps, ahead = seen
        words, advice = (_TWICE, _ONCE) if ahead else (_SAME, _SHIFT)
        severity = self.severity if ahead else Severity.WARNING
        message = words.format(checks=short_number(len(steps)), call=call)
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(q.CALL_TARGET_AHEAD.name, call, *ends, ahead, 1.0)
        numbers = {"checks": len(steps), "ahead": ahead}
        return Finding(self.code, severity, call, (evidence,), message, advice, numbers)
