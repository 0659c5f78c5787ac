"""LD515 never-asked-for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, columns
from tb_lossdiag.analysis.curve import curve_of
from tb_lossdiag.analysis.loss_calls import LossCallSeries
from tb_lossdiag.analysis.progress import fall
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.diagnosis.ways import said
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_END = Text(
    "In {checks} check-ups `{call}` asked for the end of no sequence ({share}% of the ends ignored): the token that ends a text is the one that fills up after it, and all of it is left out."
)
_CLASS = Text(
    "`{call}` scores class {ignored} and ignores it: {share}% of the targets count for nothing. Validation has never been better than {least}, where guessing would give {guess}, while the training loss fell: it asks for what is never taught."
)
_KEEP = Text("""Leave out what fills up, not the token: the mask tells them apart.

```python
labels = tokens.masked_fill(attention_mask == 0, -100)  # not: tokens == pad_token_id
```

Or give the padding a token of its own (`tokenizer.add_special_tokens(dict(pad_token="[PAD]"))`, then `model.resize_token_embeddings`).
Without an end to learn from, the model writes on until it is cut off.""")
_OUTSIDE = Text("""A class that is to be learned must not be ignored. Leave the default, and give what belongs to nobody a number that is no class:

```python
loss = torch.nn.functional.cross_entropy(model(x), target)  # ignores -100 only
```

If class {ignored} is meant to be nobody's, leave it out of the validation loss as well: `ignore_index={ignored}` there.""")


@dataclass(frozen=True)
class NeverAskedFor:
    """A loss never asks for an answer that the model should learn.

    Why it matters: what is ignored is not learned. A language model that was never asked for the end of a text writes on for ever; one
    that was never asked for the background finds something everywhere. The training loss does not show it.

    How it decides: a model is asked for next tokens, and in at least `min_checks` check-ups `min_ignored` of the ends that its mask takes for text are
    ignored, where the end is the very token that fills up after it. Or the ignored class is one that is scored, `min_share` of the
    targets are of it, the training loss has lost `min_fall`, and no validation loss was below `min_above` times that of guessing.
    Unit: share of the ends, of the targets; validation losses over the logarithm of the number of classes.

    What to try first: make labels of the attention mask; keep `ignore_index` off what is to be learned.

    Guards against: padding with a token of its own; sequences that were cut off; texts without an end; classes that belong to nobody,
    in training and validation alike; overfitting, whose first validations are better than guessing.

    References: Transformers, data collators (labels of padding are -100); huggingface/trl pull request 6357.
    """

    code: ClassVar[str] = "LD515"
    name: ClassVar[str] = "never-asked-for"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("An answer that is never asked for")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CALL_END_IGNORED,
        q.CALL_IGNORED_CLASS,
        q.CALL_IGNORED,
        q.CALL_OUTPUTS,
        q.VALIDATION_LOSS,
        q.LOSS,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD107", "LD108")

    #: check-ups; the sequences of one batch may all have been cut off
    min_checks: int = 3
    #: share of the ends, 1; one rule for all labels ignores all of them or none
    min_ignored: float = 0.99
    #: share of the targets, 1; borders and blanks that belong to nobody are a tenth
    min_share: float = 0.2
    #: share of the training loss's start, 1; it must have learned the others
    min_fall: float = 0.5
    #: validation losses over that of guessing, 1; what is never taught is thought impossible, and costs several times that
    min_above: float = 1.5
    #: validations
    min_validations: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per loss call that leaves out what it should ask for."""
        ends, spared = columns(run, q.CALL_END_IGNORED), columns(run, q.CALL_IGNORED_CLASS)
        seen, classes = list(ends), list(spared)
        if not seen and not classes:
            needs = Text("a check-up that sees ends of sequences, or an ignored class: {how}")
            raise NotEnough(needs.format(how=said(q.CALL_END_IGNORED.how)))
        for each in seen:
            if len(each.values) >= self.min_checks and (each.values >= self.min_ignored).all():
                yield self._end(each)
        validated = self._learned_apart(run) if classes else np.empty(0)
        for each in classes if len(validated) else ():
            call = LossCallSeries(each.column, each.steps, run)
            yield from self._class(call, each, float(validated.min()))

    def _end(self, each: Sighting) -> Finding:
        share = float(np.median(each.values))
        message = _END.format(
            checks=short_number(len(each.steps)),
            call=each.column,
            share=short_number(float(f"{100 * share:.3g}")),
        )
        ends = int(each.steps[0]), int(each.steps[-1])
        evidence = Evidence(q.CALL_END_IGNORED.name, each.column, *ends, share, self.min_ignored)
        numbers = {"share": share, "checks": len(each.steps)}
        return Finding(self.code, self.severity, each.column, (evidence,), message, _KEEP, numbers)

    def _learned_apart(self, run: Run) -> Doubles:
        """The validation losses of a run that has learned its training; none where they are too few."""
        fallen = fall(run)
        if q.VALIDATION_LOSS not in run or fallen is None or fallen < self.min_fall:
            return np.empty(0)
        losses = curve_of(run, q.VALIDATION_LOSS).values
        return losses if len(losses) >= self.min_validations else np.empty(0)

    def _class(self, call: LossCallSeries, each: Sighting, least: float) -> Iterator[Finding]:
        share, guess = call.typical(q.CALL_IGNORED), float(np.log(call.typical(q.CALL_OUTPUTS)))
        if not (share >= self.min_share and least >= self.min_above * guess):
            return
        ignored = str(int(each.values[-1]))
        message = _CLASS.format(
            call=call.name,
            ignored=ignored,
            share=short_number(float(f"{100 * share:.2g}")),
            least=short_number(least),
            guess=short_number(guess),
        )
        evidence = call.evidence(q.CALL_IGNORED, call.steps >= 0, share, self.min_share)
        advice, numbers = _OUTSIDE.format(ignored=ignored), {"share": share, "least": least}
        yield Finding(self.code, self.severity, call.name, (evidence,), message, advice, numbers)
