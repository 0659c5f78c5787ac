"""LDR21 both-fall."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import Signal, percent, signal
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "The reward of the chosen answers fell from {early} to {end}, {share}% as far as that of the rejected ones ({other_early} to {other_end}): the margin grows because both get less likely, and what gets likelier is neither."
)
_ADVICE = Text("""A small fall is expected after a fine-tuning on the chosen answers; a large one moves the model to answers that nobody wrote.

- Add the likelihood of the chosen answers to the loss (TRL: `loss_type=["sigmoid", "sft"]`, once `rpo_alpha`; others: `pref_ftx`), which holds them up.
- A larger `beta`, a smaller learning rate, fewer epochs.
- Leave out pairs that hardly differ: pushing one down takes the other along.
- Generate with the model: refusals and empty answers show here first.""")


@dataclass(frozen=True)
class BothFall:
    """In a preference tuning the preferred answers become less likely, together with the others.

    Why it matters: the loss only sees the difference; probability that leaves both goes to answers that nobody preferred.

    How it decides: the implicit reward of the chosen answers falls by at least `min_fall` (beta times nats) from the first to the last tenth, at
    least `min_kept` of how far down it had been in any tenth, its second half is at least `min_kept` of that lower, and the margin grows. It is a warning where it falls at least `min_share` as far as that of the rejected ones, else an
    information. Unit: implicit reward.

    What to try first: add the likelihood of the chosen answers to the loss.

    Guards against: a fall below that, which DPO shows on answers that the model was tuned on before; a chosen reward that falls and comes back.

    References: Razin et al. 2024, Unintentional unalignment (arXiv 2410.08847); Pal et al. 2024, Smaug (arXiv 2402.13228);
    eric-mitchell/direct-preference-optimization issues 8 and 32.
    """

    code: ClassVar[str] = "LDR21"
    name: ClassVar[str] = "both-fall"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The chosen answers get less likely, too")
    reads: ClassVar[tuple[Quantity, ...]] = (q.CHOSEN_REWARD, q.REJECTED_REWARD)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: implicit reward: beta times nats of a whole answer; at a beta of 0.1 ten nats
    min_fall: float = 1.0
    #: share of the rejected answers' fall, 1
    min_share: float = 0.5
    #: share of the deepest fall, 1; what comes back by half and more was a passage
    min_kept: float = 0.5
    #: records of the rewards
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        chosen = signal(run, q.CHOSEN_REWARD, self.min_records)
        other = signal(run, q.REJECTED_REWARD, self.min_records)
        fall, others = chosen.early - chosen.end, other.early - other.end
        if fall < self.min_fall or not self._stays(chosen, fall) or others <= fall:
            return
        message = _MESSAGE.format(
            early=short_number(chosen.early),
            end=short_number(chosen.end),
            share=percent(fall / others),
            other_early=short_number(other.early),
            other_end=short_number(other.end),
        )
        severity = self.severity if fall >= self.min_share * others else Severity.INFO
        evidence = chosen.evidence(0.0, 0.1, chosen.early - self.min_fall)
        numbers = {"fall": fall, "others": others}
        yield Finding(self.code, severity, "", (evidence,), message, _ADVICE, numbers)

    def _stays(self, chosen: Signal, fall: float) -> bool:
        """Whether most of how far down it ever was is left at the end, and most of that came before the second half's middle."""
        deepest = chosen.early - min(chosen.level(part / 10, (part + 1) / 10) for part in range(10))
        late = chosen.early - chosen.level(0.5, 1.0)
        return min(fall / deepest, late / fall) >= self.min_kept
