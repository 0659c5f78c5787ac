"""LD525 more-symbols-than-frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, columns
from tb_lossdiag.analysis.progress import broke
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.diagnosis.ways import said
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{percent}% of the sequences given to `{call}` have fewer frames than their symbols need ({checks} check-ups): no path fits them. Their loss is infinite, or counts as nothing with `zero_infinity=True`."
)
_ADVICE = Text("""Each symbol takes a frame of the model's output, and two alike in a row one more between them. See which do not fit:

```python
alike = (targets[:, 1:] == targets[:, :-1]) & (torch.arange(1, targets.shape[1]) < target_lengths[:, None])
too_few = input_lengths < target_lengths + alike.sum(1)
print(too_few.float().mean())
```

- All of them nearly: the model takes too many frames together (strides, pooling); let it keep more, or ask for larger units (syllables, words).
- Some: `input_lengths` must be those of the model's *output*; leave out recordings whose text is longer than what is said.""")

_JUDGED = Text("share of the sequences that do not fit; their mean decides")


@dataclass(frozen=True)
class MoreSymbolsThanFrames:
    """Sequences of a CTC loss have fewer frames than symbols.

    Why it matters: nothing that the model says can be right there. The loss is infinite, and one such sequence makes all weights NaN; with
    `zero_infinity` they are left out in silence, and the model learns from the short ones alone.

    How it decides: the share of such sequences over all check-ups is `min_share` or more; or there is any, and the recorded loss was NaN or
    infinite. Unit: share of the sequences.

    What to try first: fewer strides, and the output's own lengths.

    Guards against: a recording now and then whose text is too long, with `zero_infinity` for safety.

    References: Graves et al. 2006, Connectionist Temporal Classification (ICML), section 3; PyTorch, `torch.nn.CTCLoss` (`zero_infinity`).
    """

    code: ClassVar[str] = "LD525"
    name: ClassVar[str] = "more-symbols-than-frames"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Symbols that no frames are left for")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CALL_UNFIT, q.LOSS_NONFINITE)
    explains: ClassVar[tuple[str, ...]] = (
        "LD101", "LD102", "LD103", "LD104", "LD105", "LD109", "LD202", "LD203", "LD205", "LD206", "LD523", "LD602", "LD705",
    )  # fmt: skip

    #: share of the sequences, 1; a data set has a few per cent of texts that do not belong to what is said
    min_share: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per call that was given sequences which do not fit."""
        seen = list(columns(run, q.CALL_UNFIT))
        if not seen:
            needs = Text("a check-up that sees a call of `ctc_loss`: {how}")
            raise NotEnough(needs.format(how=said(q.CALL_UNFIT.how)))
        for each in seen:
            share = float(each.values.mean())
            if share >= self.min_share or (share > 0 and broke(run)):
                yield self._finding(each, share)

    def _finding(self, each: Sighting, share: float) -> Finding:
        message = _MESSAGE.format(
            percent=short_number(float(f"{100 * share:.2g}")),
            call=each.column,
            checks=str(len(each.steps)),
        )
        ends = int(each.steps[0]), int(each.steps[-1])
        evidence = with_judged(
            Evidence(q.CALL_UNFIT.name, each.column, *ends, share, self.min_share),
            _JUDGED,
            each.steps,
            each.values,
        )
        numbers = {"share": share}
        return Finding(
            self.code, self.severity, each.column, (evidence,), message, _ADVICE, numbers
        )
