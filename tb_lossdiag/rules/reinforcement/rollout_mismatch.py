"""LDR08 rollout-mismatch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import Signal, percent, rises, signal
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Over the last quarter of {records} records the engine that makes the answers and the trainer disagree on how likely they are: {what}{rises}."
)
_KL = Text("a divergence of {value} nats per token")
_GAP = Text("log-probabilities differ by {value} nats per token in the mean")
_SAMPLES = Text("weighted for the difference, {value}% of the samples are left")
_PERPLEXITY = Text("the trainer's perplexity is {value} times the engine's")
_RISES, _NOTHING = Text(", and it rises"), Text("")
_ADVICE = Text("""Give both the same prompt and answer once, at the first step, and compare log-probabilities token by token.

- Large from the first step: weights that were not synchronised, another temperature, top-p or top-k that is not undone, a quantised engine (fp8, int8), another
  chat template.
- It grows with the training: the number format. Use the same one in both (float16 in both, or a float32 head of the engine), and correct the rest:
  token weights cut at 2 (verl: `rollout_correction.rollout_is: token`; TRL: `vllm_importance_sampling_correction=True`).
- A mixture of experts: routers choose otherwise in the two; replay the engine's choice.
- Answers that are several updates old on purpose: fewer of them.""")


@dataclass(frozen=True)
class RolloutMismatch:
    """The engine that makes the answers gives them other probabilities than the trainer.

    Why it matters: what is trained on is then drawn from another policy, and gradients are wrong in a way that the reward does not show for long.

    How it decides: the level of the last quarter of a logged divergence is at least `min_kl` nats per token (an information), or `min_most` (a
    warning). A mean distance of log-probabilities counts as the half of its square; an effective share of the samples below `min_samples`
    is a warning, a ratio of perplexities further than `max_perplexity` from 1 an information. Unit: nats per token; share of samples.

    What to try first: compare log-probabilities of one answer token by token.

    Guards against: rounding of bfloat16, which stays at a thousandth; the first records after the engine was started.

    References: verl-project/verl docs/algo/rollout_corr.md (warns at 0.1 nats and 0.3 of the samples); huggingface/trl, what its
    `vllm_importance_sampling_correction` logs; arXiv 2605.14220 (runs that collapse by this alone).
    """

    code: ClassVar[str] = "LDR08"
    name: ClassVar[str] = "rollout-mismatch"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Answers come from another policy than the one that is trained")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REWARD,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.ROLLOUT_KL,
        q.ROLLOUT_GAP,
        q.ROLLOUT_SAMPLES,
        q.ROLLOUT_PERPLEXITY,
    )
    explains: ClassVar[tuple[str, ...]] = ("LDR03", "LDR06", "LDR07")

    #: nats per token; twenty times what tests of such engines tolerate
    min_kl: float = 0.01
    #: nats per token; verl's own example warns there
    min_most: float = 0.1
    #: share of samples, 1; verl's own example warns there
    min_samples: float = 0.3
    #: share of the perplexity, 1; both ways
    max_perplexity: float = 0.05
    #: records of any of them
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        signal(run, q.REWARD, self.min_records)
        known = [each for each in self.may_read if each in run]
        if not known:
            raise NotEnough(Text("what the engine and the trainer make of the same answers"))
        seen = [signal(run, each, self.min_records) for each in known]
        found = [one for each in seen if (one := self._found(each)) is not None]
        yield from sorted(found, key=lambda one: -one.severity)[:1]

    def _found(self, seen: Signal) -> Finding | None:
        """What one of them says."""
        late = seen.late
        what, harm, least, bound = self._held_against(seen.quantity, late)
        if harm < least:
            return None
        warned = harm >= self.min_most and seen.quantity is not q.ROLLOUT_PERPLEXITY
        share = seen.quantity is q.ROLLOUT_SAMPLES
        message = _MESSAGE.format(
            records=str(len(seen)),
            what=what.format(value=percent(late) if share else short_number(late)),
            rises=_RISES if rises(seen.part(0.5, 1.0)) and not share else _NOTHING,
        )
        severity = self.severity if warned else Severity.INFO
        evidence = seen.evidence(0.75, 0.25, bound)
        return Finding(self.code, severity, "", (evidence,), message, _ADVICE, {"level": late})

    def _held_against(self, quantity: Quantity, late: float) -> tuple[Text, float, float, float]:
        """In which words, how far it is off, from where on that is said, and the value at which that is."""
        if quantity is q.ROLLOUT_KL:
            return _KL, late, self.min_kl, self.min_kl
        if quantity is q.ROLLOUT_GAP:
            return _GAP, late**2 / 2, self.min_kl, float((2 * self.min_kl) ** 0.5)
        if quantity is q.ROLLOUT_SAMPLES:
            return _SAMPLES, 1 - late, 1 - self.min_samples, self.min_samples
        off = abs(late - 1)
        bound = 1 + self.max_perplexity if late > 1 else 1 - self.max_perplexity
        return _PERPLEXITY, off, self.max_perplexity, bound
