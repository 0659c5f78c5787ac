"""What reinforcement learning and preference tuning log of themselves. Read from the logs of others, or of what a loop hands over by `extra` under such a name."""

from __future__ import annotations

from tb_lossdiag.quantities import hints
from tb_lossdiag.quantities.quantity import Axis, Quantity


def _of(name: str, unit: str = "1", axis: Axis = Axis.RUN) -> Quantity:
    return Quantity(name, name, axis, unit, hints.AGENT)


def _pair(name: str, unit: str = "1") -> Quantity:
    return Quantity(name, name, Axis.RUN, unit, hints.PREFERENCE)


REWARD = _of("reward", "reward")
"""Mean reward of a batch of answers, or of episodes."""
REWARD_STD = _of("reward_std", "reward")
"""Spread of the rewards: within groups where an algorithm has them, else over the batch."""
REWARD_TERM = _of("reward_term", "reward", Axis.TERM)
"""Mean of one of several reward functions."""
HELD_OUT_SCORE = _of("held_out_score", "score")
"""Reward or accuracy on what is not trained on."""
DEAD_GROUPS = _of("dead_groups")
"""Share of groups whose answers were all rewarded alike."""
ADVANTAGE_STD = _of("advantage_std")
"""Spread of the advantages over a batch."""
POLICY_ENTROPY = _of("policy_entropy", "nat")
"""Entropy of the policy's choices, per token or action."""
ENTROPY_LOSS = _of("entropy_loss", "nat")
"""The entropy of an agent's actions, negative as it stands in the loss."""
ACTION_SPREAD = _of("action_spread")
"""Spread of the actions of a policy whose choices are numbers; such an entropy has neither a zero nor a largest value."""
REFERENCE_KL = _of("reference_kl", "nat")
"""Divergence of the policy from its reference."""
POLICY_KL = _of("policy_kl", "nat")
"""Divergence of the policy from the one that made the answers, over all passes over them."""
POLICY_RATIO = _of("policy_ratio")
"""Mean of the ratio of both policies' probabilities, 1 in expectation."""
ROLLOUT_KL = _of("rollout_kl", "nat")
"""Divergence between the engine that makes the answers and the trainer, of what should be the same weights."""
ROLLOUT_GAP = _of("rollout_gap", "nat")
"""Mean distance between both one's log-probabilities of a token."""
ROLLOUT_SAMPLES = _of("rollout_samples")
"""Effective share of the samples once they are weighted for that difference."""
ROLLOUT_PERPLEXITY = _of("rollout_perplexity")
"""The trainer's perplexity of the answers over the engine's."""
CLIPPED_RATIO = _of("clipped_ratio")
"""Share of tokens or actions whose probability ratio the trust region cut off."""
CLIPPED_LOW = _of("clipped_low")
"""The same below the region."""
CLIPPED_HIGH = _of("clipped_high")
"""The same above it."""
ANSWER_LENGTH = _of("answer_length", "tokens")
"""Mean length of an answer."""
TRUNCATED_SHARE = _of("truncated_share")
"""Share of answers that were cut off at the longest length."""
REPETITION = _of("repetition")
"""Share of an answer that repeats itself."""
EXPLAINED_VARIANCE = _of("explained_variance")
"""Share of the variance of returns that the critic explains: 1 all, 0 none, below 0 worse than their mean."""
VALUE_LOSS = _of("value_loss", "loss")
"""Loss of the critic."""

CHOSEN_REWARD = _pair("chosen_reward", "reward")
"""Implicit reward of the preferred answers: beta times how much likelier they became than under the reference."""
REJECTED_REWARD = _pair("rejected_reward", "reward")
"""The same of the others."""
REWARD_MARGIN = _pair("reward_margin", "reward")
"""Mean difference between them."""
PREFERENCE_ACCURACY = _pair("preference_accuracy")
"""Share of pairs that are told apart the right way round."""
CHOSEN_LENGTH = _pair("chosen_length", "tokens")
"""Mean length of the preferred answers."""
REJECTED_LENGTH = _pair("rejected_length", "tokens")
"""The same of the others."""
CHOSEN_LOGP = _pair("chosen_logp", "nat")
"""Log-probability of the preferred answers."""
REJECTED_LOGP = _pair("rejected_logp", "nat")
"""The same of the others."""

AGENT = frozenset(
    each
    for each in tuple(globals().values())
    if isinstance(each, Quantity) and each.how == hints.AGENT
)
PREFERENCE = frozenset(
    each
    for each in tuple(globals().values())
    if isinstance(each, Quantity) and each.how == hints.PREFERENCE
)
