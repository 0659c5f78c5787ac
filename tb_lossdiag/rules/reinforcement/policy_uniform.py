"""LDR16 policy-uniform."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.signals import Signal, percent, rises, score, signal
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "After {records} records the entropy of the policy is {end} nats, {share}% of that of choosing among {actions} actions at random, and the score has {gained}: nothing was learned that is preferred."
)
_NOT = Text("not risen")
_HARDLY = Text("hardly gained")
_ADVICE = Text("""Find out whether it is held there, or never pushed.

- The weight of the entropy bonus (`ent_coef`): at 0.1 and more it outweighs most advantages; try 0 to 0.01.
- The rewards: print those of a hundred episodes; without a difference, or with one every thousand steps, there is nothing to prefer.
- Their scale: `VecNormalize`, or division by their spread; a critic that follows returns in the hundreds takes the shared body's gradient.
- The learning rate, and whether the policy's parameters are in the optimizer.""")


@dataclass(frozen=True)
class PolicyUniform:
    """The policy still chooses at random.

    Why it matters: the episodes of a random policy are alike, however many there are.

    How it decides: the first level of the entropy is that of a number of equally likely actions (`min_first` of its logarithm; `actions` names it where
    the log cannot tell), the level of the last tenth is still at least `min_share` of it, and neither the held-out score nor the reward has risen over the
    run beyond chance (Mann and Kendall). Or, of `min_few` records and more, not one lies below `min_pinned`, and the score has gained no more than `max_gain` of its first level. Unit: share of the logarithm of the number of actions.

    What to try first: a smaller entropy bonus.

    Guards against: an agent that gains although it explores much; the vocabulary of a language model, whose entropy begins far below that of
    chance; actions that are numbers; the first `min_few` records.

    References: DLR-RM/stable-baselines3 issue 2240 (a coefficient of 0.15 and rewards that nobody scaled: after 1.1 million steps the entropy is 1.33,
    96% of the logarithm of 4); Mnih et al. 2016, Asynchronous methods for deep reinforcement learning (arXiv 1602.01783), which adds the bonus.
    """

    code: ClassVar[str] = "LDR16"
    name: ClassVar[str] = "policy-uniform"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The policy never leaves chance")
    reads: ClassVar[tuple[Quantity, ...]] = (q.REWARD,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.POLICY_ENTROPY,
        q.ENTROPY_LOSS,
        q.ACTION_SPREAD,
        q.HELD_OUT_SCORE,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: share of the logarithm of the number of actions, 1
    min_share: float = 0.95
    #: share of it at the beginning, 1; a policy's last layer begins near zero
    min_first: float = 0.995
    #: number of actions; 0 takes it from the first level
    actions: int = 0
    #: actions; beyond it logarithms of numbers lie too close together to tell which it is
    max_actions: int = 20
    #: records of the entropy
    min_records: int = 30
    #: records that suffice where not one lies below `min_pinned`; normalised advantages alone move a policy within ten rounds
    min_few: int = 15
    #: share of the logarithm in each record, 1; a policy that learns spends a hundredth within a few rounds
    min_pinned: float = 0.99
    #: gain of the score over its first level, 1; leaning by a hundredth to one side brings a little, and means over many episodes rise as one
    max_gain: float = 0.5
    #: evaluations from which a held-out score is asked instead of the reward
    min_evaluations: int = 8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the run."""
        if q.ACTION_SPREAD in run:
            raise NotEnough(Text("separate actions: these are numbers"))
        seen, entropy = self._entropy(run)
        actions = self._actions(entropy)
        most = math.log(actions)
        end = float(seen.end) if seen.quantity is q.POLICY_ENTROPY else -float(seen.end)
        if end < self.min_share * most or not self._to_no_avail(run, entropy / most):
            return
        risen = rises(score(run, self.min_evaluations).values)
        message = _MESSAGE.format(
            gained=_HARDLY if risen else _NOT,
            records=str(len(seen)),
            end=short_number(end),
            share=percent(end / most),
            actions=str(actions),
        )
        sign = 1.0 if seen.quantity is q.POLICY_ENTROPY else -1.0
        evidence = seen.evidence(0.5, 0.1, sign * self.min_share * most)
        numbers = {"end": end, "actions": actions}
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)

    def _to_no_avail(self, run: Run, shares: Doubles) -> bool:
        """Whether the score has not risen, or hardly, by a policy that never once left chance."""
        got = score(run, self.min_evaluations)
        hardly = got.end - got.early <= self.max_gain * abs(got.early)
        if hardly and bool((shares >= self.min_pinned).all()):
            return True
        signal(run, q.REWARD, self.min_records)
        return len(shares) >= self.min_records and not rises(got.values)

    def _entropy(self, run: Run) -> tuple[Signal, Doubles]:
        """What was logged, and the entropy itself."""
        signal(run, q.REWARD, self.min_few)
        if q.ENTROPY_LOSS in run:
            seen = signal(run, q.ENTROPY_LOSS, self.min_few)
            return seen, -seen.values
        if q.POLICY_ENTROPY not in run:
            raise NotEnough(Text("the entropy of the policy"))
        seen = signal(run, q.POLICY_ENTROPY, self.min_few)
        return seen, seen.values

    def _actions(self, entropy: Doubles) -> int:
        """Number of equally likely actions that the first records tell of.

        Raises:
            NotEnough: they tell of none.
        """
        if self.actions > 1:
            return self.actions
        top = float(entropy.max())
        if top > 0:
            actions = math.ceil(math.exp(min(top - 1e-4, 5.0)))
            if 1 < actions <= self.max_actions and (
                entropy[0] >= self.min_first * math.log(actions)
            ):
                return actions
        raise NotEnough(Text("a policy that began at random among a few actions"))
