"""LDR24 margin-by-length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.signals import ranks_agree, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Batches whose chosen answers are {side} by more have the larger margin (rank correlation {agree} over {records} records): the preference that is learned is length."
)
_LONGER, _SHORTER = Text("longer than the rejected ones"), Text("shorter than the rejected ones")
_ADVICE = Text("""Compare answers of the tuned model with those of the reference: their length shows it first.

- Pairs of like length: cut the rest, or draw as many where the chosen one is shorter.
- A loss that divides by length (TRL: `loss_type="ipo"` averages over tokens, CPO's `"simpo"` does), or a penalty of length in the margin.
- Judge with the length taken out, as length-controlled win rates do.""")


@dataclass(frozen=True)
class MarginByLength:
    """In a preference tuning the margin follows the difference of length.

    Why it matters: the model learns to write more, whatever it writes, and judges who like length do not see it.

    How it decides: over the last three quarters of the run, what the margin of each record has above the median of those around it goes along with what the
    difference of mean lengths has (Spearman), by at least `min_agree` (`min_opposed` the other way), and `min_errors` standard errors of chance (1 over the root of the
    records). Unit: rank correlation.

    What to try first: look at how many chosen answers are the longer ones.

    Guards against: a margin and a length that both grow over the run, which says nothing; pairs of equal length; few records. Sums over tokens make
    longer pairs swing more, so it is an information.

    References: Singhal et al. 2023, A long way to go: investigating length correlations in RLHF (arXiv 2310.03716), on rewards that a model of preferences
    gives; Park et al. 2024, Disentangling length from quality in direct preference optimization (arXiv 2403.19159), on the margins themselves.
    """

    code: ClassVar[str] = "LDR24"
    name: ClassVar[str] = "margin-by-length"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Longer is what is preferred")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.REWARD_MARGIN,
        q.CHOSEN_LENGTH,
        q.REJECTED_LENGTH,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: rank correlation, 1; where length decides, means over 16 pairs show 0.45 to 0.7, where it says nothing 0.1 at most
    min_agree: float = 0.4
    #: rank correlation, 1; rejected answers are pushed down token by token, which shows -0.2 to -0.35 where length says nothing
    min_opposed: float = 0.6
    #: standard errors of chance, 1; that much comes by chance once in fifteen thousand runs
    min_errors: float = 4.0
    #: records with margin and both lengths
    min_records: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        margin = signal(run, q.REWARD_MARGIN, self.min_records)
        chosen, rejected = (signal(run, each, 1) for each in (q.CHOSEN_LENGTH, q.REJECTED_LENGTH))
        shared = np.intersect1d(chosen.steps, rejected.steps)
        shared = np.intersect1d(shared, margin.steps)
        if len(shared) < self.min_records:
            raise too_few(self.min_records, Text("records with a margin and both lengths"))
        margins, longer, shorter = (
            each.values[np.isin(each.steps, shared)] for each in (margin, chosen, rejected)
        )
        late = slice(len(shared) // 4, None)
        agree = ranks_agree(_above(margins)[late], _above(longer - shorter)[late])
        count = len(shared) - len(shared) // 4
        least = self.min_agree if agree > 0 else self.min_opposed
        bound = max(least, self.min_errors / np.sqrt(count - 1))
        if abs(agree) < bound:
            return
        message = _MESSAGE.format(
            side=_LONGER if agree > 0 else _SHORTER,
            agree=short_number(abs(agree)),
            records=str(count),
        )
        evidence = margin.seen(0.25, agree, float(np.copysign(bound, agree)))
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, {"agree": agree})


def _above(values: Doubles) -> Doubles:
    """Each value less the median of the eleven around it: what a trend does is taken out."""
    padded = np.pad(values, 5, mode="reflect")
    around: Doubles = np.median(np.lib.stride_tricks.sliding_window_view(padded, 11), axis=1)
    return values - around
