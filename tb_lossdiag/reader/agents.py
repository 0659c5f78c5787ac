"""Under which tags reinforcement learning and preference tuning log what they do; see `styles` for how tags are compared.

TRL (trl/trainer/grpo_trainer.py, dpo_trainer.py, its PPO), verl (verl/trainer/ppo/metric_utils.py), Stable-Baselines3 (common/, ppo/),
OpenRLHF, RLlib, CleanRL. A tag of these counts only beside a reward, or beside the rewards of preferences: other trainings have an
entropy and a divergence, too.
"""

from __future__ import annotations

import re

from tb_lossdiag import quantities as q
from tb_lossdiag.reader.styles import Patterns

_P = "(?:train(?:ing)?/)?"
_V = "(?:val(?:id(?:ation)?)?|eval(?:uation)?|test|dev)"
_EPISODE = "(?:ep(?:isode)?|episodic)_(?:rew|reward|return)(?:_mean)?"
_AGGREGATES = "all|chosen|rejected|margins?|accurac(?:y|ies)|mean|std|min|max|total"

SIGN: Patterns = {
    q.REWARD: (
        f"{_P}reward",
        f"{_P}critic/score/mean",
        f"{_P}critic/rewards/mean",
        f"{_P}rewards?[/_](?:all/)?mean",
        f"{_P}(?:avg|average)_rewards?",
        f"{_P}objective/rlhf_reward",
        f"(?:.*/)?{_EPISODE}",
        # Dreamer's and others' loops by hand.
        "(?:.*/)?train(?:ing)?/return",
    ),
}
"""What tells an agent's log."""

SPREAD: Patterns = {q.REWARD: (f"{_P}mean_rewards?",), q.REWARD_STD: (f"{_P}std_rewards?",)}
"""What tells one if both are there: TRL's reward models write the mean alone, of what they give."""

AGENT: Patterns = {
    q.REWARD_STD: (f"{_P}rewards?[/_]std", f"{_P}critic/(?:score|rewards)/std"),
    q.REWARD_TERM: (
        f"{_P}rewards?/((?!(?:{_AGGREGATES})(?:/|$))[^/]+)/mean",
        f"{_P}rewards?/((?!(?:{_AGGREGATES})(?:/|$))[^/]+)",
    ),
    q.HELD_OUT_SCORE: (
        r"val_core/.+/(?:acc|reward|score)/(?:mean|best)@\d+(?:/mean)?",
        f"{_V}/test_score(?:/.+)?",
        f"{_V}[/_](?:mean_reward|reward|rewards?/mean|score|acc(?:uracy)?|pass@1|success_rate|{_EPISODE})",
    ),
    q.DEAD_GROUPS: (
        f"{_P}frac_reward_zero_std",
        "(?:.*/)?zero_var(?:iance)?_group_frac",
        "(?:.*/)?frac_zero_std",
    ),
    q.ADVANTAGE_STD: (f"{_P}critic/advantages/std", "(?:.*/)?adv(?:antages?)?[/_]std"),
    q.POLICY_ENTROPY: (
        f"{_P}entropy",
        f"{_P}actor/entropy(?:_loss)?",
        f"{_P}objective/entropy",
        f"{_P}(?:policy|losses)[/_]entropy(?:_avg)?",
        f"{_P}entropy_mean",
        # prime-rl
        "entropy/(?:all/)?mean",
    ),
    # Stable-Baselines3 writes what it adds to the loss: minus the entropy; std is there where actions are numbers.
    q.ENTROPY_LOSS: ("train/entropy_loss",),
    q.ACTION_SPREAD: ("train/std",),
    q.POLICY_KL: (
        f"{_P}(?:losses/|policy/)?approx_?kl(?:_avg)?",
        f"{_P}actor/ppo_kl",
    ),
    q.POLICY_RATIO: ("val/ratio", f"{_P}(?:policy|actor)/ratio(?:_mean)?"),
    # verl/trainer/ppo/rollout_corr_helper.py, before that mismatch_helper.py; ms-swift; prime-rl; TRL with vLLM.
    q.ROLLOUT_KL: (
        f"{_P}(?:rollout_corr|rollout_correction|mismatch)/(?:mismatch_)?k3_kl",
        f"{_P}mismatch_kl(?:/(?:all/)?mean)?",
    ),
    q.ROLLOUT_GAP: (f"{_P}sampling/sampling_logp_difference/mean",),
    q.ROLLOUT_SAMPLES: (
        f"{_P}(?:rollout_corr|rollout_correction|mismatch)/rollout_is_eff_sample_size",
    ),
    q.ROLLOUT_PERPLEXITY: (
        f"{_P}(?:rollout_corr|rollout_correction|mismatch)/(?:mismatch_)?ppl_ratio",
    ),
    q.REFERENCE_KL: (
        f"{_P}kl",
        f"{_P}objective/kl",
        f"{_P}actor/kl_loss",
        f"{_P}critic/kl",
        f"{_P}actor/reward_kl_penalty",
        f"{_P}policy/kl",
        f"{_P}kl_mean",
        f"{_P}(?:kl_(?:to_)?ref|ref_kl)(?:_mean)?",
    ),
    q.CLIPPED_RATIO: (
        f"{_P}clip_ratio/region_mean",
        f"{_P}clip_ratio",
        f"{_P}actor/pg_clipfrac",
        f"{_P}(?:(?:policy|losses)/)?clip_?frac(?:tion|_avg)?",
    ),
    q.CLIPPED_LOW: (f"{_P}clip_ratio/low_mean",),
    q.CLIPPED_HIGH: (f"{_P}clip_ratio/high_mean",),
    q.ANSWER_LENGTH: (
        f"{_P}completions/mean_length",
        f"{_P}response_length/mean",
        f"{_P}(?:completion|response)_len(?:gth)?(?:_mean)?",
        f"{_P}(?:mean|avg|average)_(?:(?:completion|response|answer)_)?len(?:gth)?",
    ),
    q.TRUNCATED_SHARE: (
        f"{_P}completions/clipped_ratio",
        f"{_P}response_length/clip_ratio",
        f"{_P}(?:truncation|truncated)_(?:rate|ratio|frac)",
    ),
    q.REPETITION: ("(?:.*/)?repetition_(?:rate|frac|ratio)",),
    q.EXPLAINED_VARIANCE: (
        f"{_P}(?:losses/|value_)?explained_var(?:iance)?",
        f"{_P}critic/vf_explained_var",
        f"{_P}value/explained_var(?:iance)?",
    ),
    q.VALUE_LOSS: (f"{_P}(?:losses/)?value_loss", f"{_P}critic/vf_loss"),
    q.GLOBAL_NORM: (f"{_P}(?:actor|policy|optim)/grad_norm",),
    q.LEARNING_RATE: (f"{_P}(?:actor|optim)/lr",),
}

PREFERENCE: Patterns = {
    # TRL; OpenRLHF (trainer/dpo_trainer.py: chosen_reward, reject_reward, acc), tinker-cookbook (preference/train_dpo.py: margin, accuracy), loops by hand,
    # the loop of DPO's authors (rewards_train/chosen).
    q.CHOSEN_REWARD: (f"{_P}rewards(?:_train)?/chosen", f"{_P}chosen_rewards?"),
    q.REJECTED_REWARD: (f"{_P}rewards(?:_train)?/rejected", f"{_P}reject(?:ed)?_rewards?"),
    q.REWARD_MARGIN: (f"{_P}rewards(?:_train)?/margins", f"{_P}(?:rewards?_)?margins?"),
    q.PREFERENCE_ACCURACY: (
        f"{_P}rewards(?:_train)?/accuracies",
        f"{_P}(?:rewards?|preference)_acc(?:urac(?:y|ies))?",
        f"{_P}acc(?:uracy)?(?:_mean)?",
    ),
    q.CHOSEN_LENGTH: (f"{_P}(?:lengths?|len)/chosen", f"{_P}chosen_len(?:gth)?s?"),
    q.REJECTED_LENGTH: (f"{_P}(?:lengths?|len)/rejected", f"{_P}rejected_len(?:gth)?s?"),
    q.CHOSEN_LOGP: (f"{_P}logps(?:_train)?/chosen",),
    q.REJECTED_LOGP: (f"{_P}logps(?:_train)?/rejected",),
}

TELLING = re.compile(
    "rew|margin|acc|return|score|entropy|kl|clip|len|_rate|_ratio|_frac|explained|value|vf_|std|zero|logp|/ratio|eval|val_core|test|grad_norm|/lr|ppl|eff_sample"
)
"""What every pattern here has in it."""
