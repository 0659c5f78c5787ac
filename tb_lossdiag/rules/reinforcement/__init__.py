"""LDR: what reinforcement learning and preference tuning log of themselves, as TRL, verl and Stable-Baselines3 write it.

Such signals audit a run; they are no early warning of a reward that is cheated.
"""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.reinforcement.agent_gradient_spikes import AgentGradientSpikes
from tb_lossdiag.rules.reinforcement.both_fall import BothFall
from tb_lossdiag.rules.reinforcement.dead_groups import DeadGroups
from tb_lossdiag.rules.reinforcement.entropy_collapse import EntropyCollapse
from tb_lossdiag.rules.reinforcement.entropy_explosion import EntropyExplosion
from tb_lossdiag.rules.reinforcement.kl_pinned import KlPinned
from tb_lossdiag.rules.reinforcement.kl_runaway import KlRunaway
from tb_lossdiag.rules.reinforcement.length_for_reward import LengthForReward
from tb_lossdiag.rules.reinforcement.margin_by_length import MarginByLength
from tb_lossdiag.rules.reinforcement.one_reward_term import OneRewardTerm
from tb_lossdiag.rules.reinforcement.policy_uniform import PolicyUniform
from tb_lossdiag.rules.reinforcement.preference_saturated import PreferenceSaturated
from tb_lossdiag.rules.reinforcement.ratio_clip_saturation import RatioClipSaturation
from tb_lossdiag.rules.reinforcement.ratio_not_one import RatioNotOne
from tb_lossdiag.rules.reinforcement.reference_is_policy import ReferenceIsPolicy
from tb_lossdiag.rules.reinforcement.repetition import Repetition
from tb_lossdiag.rules.reinforcement.reward_eval_gap import RewardEvalGap
from tb_lossdiag.rules.reinforcement.reward_falls import RewardFalls
from tb_lossdiag.rules.reinforcement.reward_flat import RewardFlat
from tb_lossdiag.rules.reinforcement.reward_stands_still import RewardStandsStill
from tb_lossdiag.rules.reinforcement.rollout_mismatch import RolloutMismatch
from tb_lossdiag.rules.reinforcement.truncation import Truncation
from tb_lossdiag.rules.reinforcement.value_blind import ValueBlind
from tb_lossdiag.rules.reinforcement.zero_update_steps import ZeroUpdateSteps

RULES: tuple[Rule, ...] = (
    DeadGroups(),
    EntropyCollapse(),
    EntropyExplosion(),
    KlRunaway(),
    KlPinned(),
    RatioClipSaturation(),
    RatioNotOne(),
    RolloutMismatch(),
    Truncation(),
    LengthForReward(),
    RewardEvalGap(),
    OneRewardTerm(),
    RewardFlat(),
    ZeroUpdateSteps(),
    ValueBlind(),
    PolicyUniform(),
    Repetition(),
    RewardStandsStill(),
    AgentGradientSpikes(),
    BothFall(),
    ReferenceIsPolicy(),
    PreferenceSaturated(),
    MarginByLength(),
    RewardFalls(),
)
