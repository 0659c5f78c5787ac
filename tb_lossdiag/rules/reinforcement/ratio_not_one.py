"""LDR07 ratio-not-one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import Signal, percent, signal
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_APART = Text("{what} at step {step} {why}: two passes of one policy do not agree on what it said.")
_KL = Text("The policy has moved by {value} nats")
_CLIPPED = Text("The probability ratio is clipped for {value}% of the choices")
_STILL = Text("although the learning rate is still 0")
_FIRST = Text("although each answer is used once, before it is learned from")
_MEAN = Text(
    "The probability ratio between the policy and the one that made the answers is {value} in the median of {records} records; its mean over what was drawn is 1, however far the policy has moved: the two probabilities are not of the same thing."
)
_ADVICE = Text("""Set the learning rate to 0 for a few steps: every ratio must then be 1, up to rounding. Where it is not, one of these differs between the pass that
made the log-probabilities and the one that learns:

- Dropout, or a batch normalisation that updates: `model.eval()` for one pass, `train()` for the other. Turn dropout off (TRL: `disable_dropout=True`).
- The temperature, or top-p and top-k: logits are divided in one place only.
- Tokens: an answer that is decoded and tokenized again, or shifted by one; padding on the other side, so that positions differ.
- The number format or the engine (vLLM against the trainer, bfloat16 against float32): compute the old log-probabilities with the trainer.""")


@dataclass(frozen=True)
class RatioNotOne:
    """The policy seems to have moved from the one that made the answers, before it moved.

    Why it matters: ratio, clip and divergence then measure an error of bookkeeping, and the update follows it.

    How it decides: while the logged learning rate is exactly 0 from the first record on, or in the first record where each answer is used once (`passes` of
    1, which no log says), nothing can have moved, so a divergence of more than `max_kl` or a clipped share of more than `max_clipped` is an error. Likewise a
    logged mean ratio whose median over the run is further than `max_factor` times from 1. Unit: nats; share of choices; times.

    What to try first: run a few steps with a learning rate of 0.

    Guards against: rounding, which stays far below; answers that are older than the policy on purpose, once it has learned; several passes, of which the
    later ones see a policy that has moved.

    References: Huang et al. 2022, The 37 implementation details of proximal policy optimization (ICLR blog track), the two debugging checks; CarperAI/trlx issues
    107 and 508; hill-a/stable-baselines issue 458; huggingface/trl issues 454 and 1857 (a mean ratio of 12).
    """

    code: ClassVar[str] = "LDR07"
    name: ClassVar[str] = "ratio-not-one"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("The policy differs from itself")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REWARD,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CLIPPED_RATIO,
        q.POLICY_KL,
        q.POLICY_RATIO,
        q.LEARNING_RATE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LDR04", "LDR06")

    #: nats; passes over the same batch in float32 differ by less than a millionth
    max_kl: float = 1e-3
    #: share of choices, 1; one of a thousand may lie on the edge in bfloat16
    max_clipped: float = 1e-3
    #: times; batches of a hundred tokens stay within a tenth
    max_factor: float = 1.5
    #: how often each answer is used; 0 where it is not known
    passes: int = 0
    #: records of the mean ratio
    min_records: int = 20

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        signal(run, q.REWARD, 1)
        known = [signal(run, each, 1) for each in (q.POLICY_KL, q.CLIPPED_RATIO) if each in run]
        still = self._still(run, known)
        if still is None and q.POLICY_RATIO not in run:
            raise NotEnough(
                Text("records at a learning rate of 0, or the mean ratio, or passes = 1")
            )
        if q.POLICY_RATIO in run:
            yield from self._mean(signal(run, q.POLICY_RATIO, self.min_records))
        if still is not None:
            found = (self._moved(each, *still) for each in known)
            yield from (each for each in found if each is not None)

    def _still(self, run: Run, known: list[Signal]) -> tuple[int, Text] | None:
        """How many steps after the first of such records nothing can have moved, and why; None where it is not known."""
        if known and q.LEARNING_RATE in run:
            table = run[q.LEARNING_RATE]
            moves = (table.values != 0).any(axis=1)
            count = int(np.argmax(moves)) if moves.any() else len(moves)
            if count and _alike(table.steps, known[0].steps):
                return int(table.steps[count - 1] - table.steps[0]), _STILL
        if known and self.passes == 1:
            return 0, _FIRST
        return None

    def _moved(self, seen: Signal, span: int, why: Text) -> Finding | None:
        """What moved although it cannot."""
        early = np.abs(seen.values[seen.steps <= seen.steps[0] + span])
        divergence = seen.quantity is q.POLICY_KL
        least = self.max_kl if divergence else self.max_clipped
        if float(np.median(early)) <= least:
            return None
        row = int(np.argmax(early))
        value = float(early[row])
        what = _KL if divergence else _CLIPPED
        told = short_number(value) if divergence else percent(value)
        step = int(seen.steps[row])
        message = _APART.format(what=what.format(value=told), step=str(step), why=why)
        evidence = Evidence(seen.quantity.name, seen.column, step, step, value, least)
        return Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, {"step": step})

    def _mean(self, seen: Signal) -> Iterator[Finding]:
        """A mean that is not 1."""
        value = float(np.median(seen.values))
        if 1 / self.max_factor <= value <= self.max_factor:
            return
        message = _MEAN.format(value=short_number(value), records=str(len(seen)))
        bound = self.max_factor if value > 1 else 1 / self.max_factor
        evidence = seen.evidence(0.0, 1.0, bound)
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, {"ratio": value})


def _alike(rates: Steps, log: Steps) -> bool:
    """Whether rates and log begin with records of as many steps each, so that the first of one belongs to the first of the other.

    Trainers log a step under the number of the next one, so numbers need not be equal; a record over ten steps is not at rest because
    the first of them was.
    """
    return bool(len(rates) == 1 or len(log) == 1 or rates[1] - rates[0] >= log[1] - log[0])
