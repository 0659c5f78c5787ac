from __future__ import annotations

from collections.abc import Iterable

import pytest

from tb_lossdiag.quantities import (
    ACCURACY,
    AMP_SCALE,
    CHOSEN_REWARD,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOGGED_EXCESS,
    LOGGED_IDLE,
    LOGGED_LOAD,
    LOSS,
    LOSS_TERM,
    PREFERENCE_ACCURACY,
    REJECTED_REWARD,
    REWARD_MARGIN,
    STEP_SAMPLES,
    STEP_SECONDS,
    STEP_TOKENS,
    THROUGHPUT,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
    VALIDATION_LOSS_TERM,
    Quantity,
)
from tb_lossdiag.reader import agents, durations
from tb_lossdiag.reader.phases import Source, grouped
from tb_lossdiag.reader.plan import _TELLING, Plan, TagMap, plan, wanted
from tb_lossdiag.reader.styles import ANY, STYLES


def planned(tags: Iterable[str], mapped: TagMap | None = None) -> Plan:
    """The plan of a run with these tags."""
    return plan({tag: Source("run", tag) for tag in tags}, mapped or {})


def chosen(found: Plan) -> dict[str, str | list[str]]:
    """Tag (or tags) by quantity."""
    tags = {q.name: [source.tag for source in cs.values()] for q, cs in found.sources.items()}
    return {name: found[0] if len(found) == 1 else found for name, found in tags.items()}


# What each framework writes for a small training, as its source says (files are named in styles.py).
TRANSFORMERS = [
    "train/loss", "train/grad_norm", "train/learning_rate", "train/epoch", "eval/loss", "eval/runtime",
    "train/train_loss", "train/train_runtime", "train/total_flos",
]  # fmt: skip
LIGHTNING = [
    "train_loss_step", "train_loss_epoch", "val_loss", "val_acc", "epoch", "lr-AdamW/pg1", "lr-AdamW/pg2",
    "lr-AdamW/pg10", "lr-AdamW-weight_decay", "lr-AdamW-momentum", "grad_2.0_norm_total",
    "grad_2.0_norm/layer.weight",
]  # fmt: skip
YOLO = [
    "train/box_loss", "train/cls_loss", "train/dfl_loss", "val/box_loss", "val/cls_loss", "val/dfl_loss",
    "metrics/mAP50(B)", "lr/pg0", "lr/pg1", "lr/pg2",
]  # fmt: skip
DETECTRON2 = ["total_loss", "loss_cls", "loss_box_reg", "loss_rpn_cls", "lr", "time", "data_time"]
MEGATRON = [
    "lm loss", "lm loss vs samples", "lm loss validation", "lm loss validation ppl", "learning-rate",
    "learning-rate vs samples", "grad-norm", "grad-norm vs samples", "loss-scale",
]  # fmt: skip
EXPERTS = [
    "load_balancing_loss", "load_balancing_loss vs samples", "seq_load_balancing_loss", "z_loss", "mtp_1 loss",
    "moe/load_balancing_loss_layer_0", "moe/load_balancing_loss_layer_1",
]  # fmt: skip

OLMO = [
    "train/CE loss", "train/PPL", "train/load balancing loss", "train/load balancing loss unscaled", "train/router Z loss",
    "train/block 00/load imbalance", "train/block 01/load imbalance", "train/block 00/load balancing loss", "optim/LR (group 0)",
    "optim/LR (group 1)", "optim/total grad norm", "optim/step skipped",
]  # fmt: skip

CASES = {
    "transformers": (TRANSFORMERS, {"loss": "train/loss", "validation_loss": "eval/loss", "learning_rate": "train/learning_rate", "global_norm": "train/grad_norm"}),
    "lightning": (LIGHTNING, {"loss": "train_loss_step", "validation_loss": "val_loss", "learning_rate": ["lr-AdamW/pg1", "lr-AdamW/pg2", "lr-AdamW/pg10"], "global_norm": "grad_2.0_norm_total", "validation_accuracy": "val_acc"}),
    "lightning, one group": (["train_loss", "val_loss", "lr-SGD", "lr-SGD-momentum"], {"loss": "train_loss", "validation_loss": "val_loss", "learning_rate": "lr-SGD"}),
    "accelerate": (["train_loss", "eval_loss", "lr", "epoch"], {"loss": "train_loss", "validation_loss": "eval_loss", "learning_rate": "lr"}),
    "torchtune": (["loss", "lr", "tokens_per_second_per_gpu", "grad_norm"], {"loss": "loss", "learning_rate": "lr", "global_norm": "grad_norm", "throughput": "tokens_per_second_per_gpu"}),
    "torchtitan": (["loss_metrics/global_avg_loss", "loss_metrics/global_max_loss", "grad_norm", "lr", "validation_metrics/loss"], {"loss": "loss_metrics/global_avg_loss", "validation_loss": "validation_metrics/loss", "learning_rate": "lr", "global_norm": "grad_norm"}),
    "megatron": (MEGATRON, {"loss": "lm loss", "validation_loss": "lm loss validation", "learning_rate": "learning-rate", "global_norm": "grad-norm"}),
    "megatron, experts": ([*MEGATRON, *EXPERTS], {"loss": "lm loss", "loss_term": ["load_balancing_loss", "mtp_1 loss", "seq_load_balancing_loss", "z_loss"], "validation_loss": "lm loss validation", "learning_rate": "learning-rate", "global_norm": "grad-norm"}),
    "olmo-core": (OLMO, {"loss": "train/CE loss", "loss_term": ["train/load balancing loss", "train/router Z loss"], "learning_rate": ["optim/LR (group 0)", "optim/LR (group 1)"], "global_norm": "optim/total grad norm", "logged_load": ["train/block 00/load imbalance", "train/block 01/load imbalance"]}),
    "detectron2": (DETECTRON2, {"loss": "total_loss", "loss_term": ["loss_box_reg", "loss_cls", "loss_rpn_cls"], "learning_rate": "lr", "step_seconds": "time"}),
    "nemo": (["reduced_train_loss", "train_step_timing", "lr", "grad_norm", "val_loss", "consumed_samples"], {"loss": "reduced_train_loss", "validation_loss": "val_loss", "learning_rate": "lr", "global_norm": "grad_norm", "step_seconds": "train_step_timing"}),
    "nemo, experts": (["reduced_train_loss", "lr", "grad_norm", *EXPERTS], {"loss": "reduced_train_loss", "loss_term": ["load_balancing_loss", "mtp_1 loss", "seq_load_balancing_loss", "z_loss"], "learning_rate": "lr", "global_norm": "grad_norm"}),
    "coqui": (["TrainIterStats/loss", "TrainIterStats/current_lr", "TrainIterStats/grad_norm", "TrainIterStats/loader_time", "TrainEpochStats/avg_loss", "EvalStats/avg_loss", "EvalStats/avg_loader_time"], {"loss": "TrainIterStats/loss", "validation_loss": "EvalStats/avg_loss", "learning_rate": "TrainIterStats/current_lr", "global_norm": "TrainIterStats/grad_norm"}),
    "coqui, with the model's name": (["tacotron2_TrainIterStats/loss", "tacotron2_EvalStats/avg_loss"], {"loss": "tacotron2_TrainIterStats/loss", "validation_loss": "tacotron2_EvalStats/avg_loss"}),
    "diffusers": (["train_loss", "lr", "step_loss"], {"loss": "train_loss", "learning_rate": "lr"}),
    "diffusers, dreambooth": (["loss", "lr"], {"loss": "loss", "learning_rate": "lr"}),
    "axolotl and unsloth": (["train/loss", "train/grad_norm", "train/learning_rate", "train/ppl", "train/memory/max_active (GiB)", "eval/loss", "eval/ppl"], {"loss": "train/loss", "validation_loss": "eval/loss", "learning_rate": "train/learning_rate", "global_norm": "train/grad_norm"}),
    "timm": (["train_loss", "eval_loss", "eval_top1", "lr"], {"loss": "train_loss", "validation_loss": "eval_loss", "learning_rate": "lr", "validation_accuracy": "eval_top1"}),
    "nanoGPT": (["train/loss", "val/loss", "lr", "mfu"], {"loss": "train/loss", "validation_loss": "val/loss", "learning_rate": "lr"}),
    "pytorch examples": (["Loss/train", "Loss/test", "Accuracy/train"], {"loss": "Loss/train", "validation_loss": "Loss/test", "accuracy": "Accuracy/train"}),
    "old keras": (["loss", "val_loss", "lr"], {"loss": "loss", "validation_loss": "val_loss", "learning_rate": "lr"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_frameworks_are_recognised(case: str) -> None:
    tags, expected = CASES[case]
    assert chosen(planned(tags)) == expected
    assert chosen(planned(reversed(tags))) == expected


def test_what_balances_experts_keeps_its_name_and_is_no_sum() -> None:
    found = planned([*MEGATRON, *EXPERTS])
    names = ["load_balancing_loss", "mtp_1_loss", "seq_load_balancing_loss", "z_loss"]
    assert list(found.sources[LOSS_TERM]) == names
    assert not found.summed


@pytest.mark.parametrize(
    "tags",
    [
        ["dpo_loss", "chosen_reward", "rejected_reward", "margin", "accuracy", "learning_rate"],
        ["train/loss", "train/chosen_reward", "train/reject_reward", "train/acc", "train/lr"],
        [
            "loss/train",
            *(f"rewards_train/{of}" for of in ("chosen", "rejected", "margins", "accuracies")),
            "logps_train/chosen",
            "rewards_eval/margins",
        ],
        [
            "preference_loss",
            "chosen_rewards",
            "rejected_rewards",
            "reward_margin",
            "reward_accuracy",
        ],
    ],
)
def test_what_loops_by_hand_say_of_preferences(tags: list[str]) -> None:
    found = planned(tags).sources
    assert {LOSS, CHOSEN_REWARD, REJECTED_REWARD, PREFERENCE_ACCURACY} <= set(found)
    assert (REWARD_MARGIN in found) is any("margin" in tag for tag in tags)


def test_a_margin_alone_is_none_of_preferences() -> None:
    found = planned(["train/loss", "margin", "train/acc"]).sources
    assert not {REWARD_MARGIN, PREFERENCE_ACCURACY} & set(found)
    assert ACCURACY in found


@pytest.mark.parametrize(
    ("tags", "quantity", "columns"),
    [
        (["train/block 00/load imbalance", "train/block 01/load imbalance"], LOGGED_LOAD, ["block_00", "block_01"]),
        (["moe/max_vio/layer_0", "moe/max_vio/layer_1", "moe/max_vio/max"], LOGGED_EXCESS, ["layer_0", "layer_1"]),
        (["moe_router_mbs_max_violation_layer_0", "moe_router_mbs_max_violation"], LOGGED_EXCESS, ["layer_0"]),
        (["max_vio/mean", "max_vio/max"], LOGGED_EXCESS, [""]),
        (["moe/layer_0/dead_expert_frac", "moe/dead_expert_frac_mean"], LOGGED_IDLE, ["layer_0"]),
        (["moe/dead_expert_frac_mean"], LOGGED_IDLE, [""]),
    ],
)  # fmt: skip
def test_loads_of_experts_by_layer(tags: list[str], quantity: Quantity, columns: list[str]) -> None:
    assert list(planned([*TRANSFORMERS, *tags]).sources[quantity]) == columns


@pytest.mark.parametrize(
    "tag", ["moe/load_imbalance", "moe/expert_utilization_max", "ranks/load_imbalance_max"]
)
def test_what_is_the_largest_of_all_layers_or_of_something_else_is_no_load(tag: str) -> None:
    assert not {LOGGED_LOAD, LOGGED_EXCESS, LOGGED_IDLE} & set(planned([tag]).sources)


def test_yolo_writes_terms_and_no_total() -> None:
    found = planned(YOLO)
    assert list(found.sources[LOSS_TERM]) == ["box", "cls", "dfl"]
    assert found.summed == {LOSS_TERM: LOSS, VALIDATION_LOSS_TERM: VALIDATION_LOSS}
    assert list(found.sources[LEARNING_RATE]) == ["group 0", "group 1", "group 2"]
    assert found.style == "YOLO"
    assert found.has_loss()


def test_a_total_that_is_written_is_never_replaced_by_a_sum() -> None:
    found = planned(["train/loss", "train/cls_loss", "val/loss", "val/cls_loss"])
    assert chosen(found) == {"loss": "train/loss", "validation_loss": "val/loss"}
    assert not found.summed
    assert LOSS_TERM not in planned(["total_loss", "loss_val", "loss_train", "loss_test"]).sources
    with_boxes = planned([*YOLO, "train/loss"])
    assert with_boxes.sources[LOSS][""].tag == "train/loss"
    assert with_boxes.summed == {VALIDATION_LOSS_TERM: VALIDATION_LOSS}


def test_the_optimizer_is_known_where_a_tag_tells() -> None:
    assert planned(LIGHTNING).optimizer == "AdamW"
    assert not planned(TRANSFORMERS).optimizer


@pytest.mark.parametrize(
    "tags",
    [
        [],
        ["accuracy", "reward", "memory/loss_of_packets", "val/accuracy"],
        ["G/loss_adv", "D/loss_real"],  # two players: neither is the loss
        ["val_loss_step"],
    ],
)
def test_what_is_no_loss_is_left_alone(tags: list[str]) -> None:
    assert not planned(tags).has_loss()


@pytest.mark.parametrize(
    "telling",
    [
        "rollout/ep_rew_mean",
        "charts/episodic_return",
        "losses/policy_loss",
        "train/reward",
        "D_loss",
        "train/td_loss",
    ],
)
def test_a_loss_that_need_not_fall_is_taken_only_if_the_user_says_so(telling: str) -> None:
    tags = ["train/loss", "val/loss", "train/learning_rate", telling]
    assert not planned(tags).has_loss()
    assert planned(tags, {"loss": ("train/loss",)}).has_loss()


@pytest.mark.parametrize("tag", ["train/rewards/chosen", "train/loss_dfl", "rewards/margins"])
def test_preference_training_has_an_ordinary_loss(tag: str) -> None:
    assert planned(["train/loss", tag]).has_loss()


def test_the_users_own_tags_win() -> None:
    mapped = {"loss": ("nothing", "mine/objective"), "loss_term.kl": ("mine/kl",)}
    found = planned(["train/loss", "mine/objective", "mine/kl", "lr"], mapped)
    assert found.sources[LOSS][""].tag == "mine/objective"
    assert found.sources[LOSS_TERM]["kl"].tag == "mine/kl"
    assert found.sources[LEARNING_RATE]["group 0"].tag == "lr"


def test_a_mapped_total_is_not_summed_from_terms() -> None:
    found = planned([*YOLO, "my/total"], {"loss": ("my/total",)})
    assert found.summed == {VALIDATION_LOSS_TERM: VALIDATION_LOSS}
    assert found.sources[LOSS][""].tag == "my/total"


def test_keys_of_the_mapping() -> None:
    assert wanted("loss") == (LOSS, "")
    assert wanted("amp_scale") == (AMP_SCALE, "")
    assert wanted("learning_rate") == (LEARNING_RATE, "group 0")
    assert wanted("loss_term.kl") == (LOSS_TERM, "kl")
    assert wanted("global_norm") == (GLOBAL_NORM, "")
    with pytest.raises(ValueError, match="no quantity 'los'"):
        wanted("los")
    with pytest.raises(ValueError, match=r"loss_term\.NAME"):
        wanted("loss_term")


def test_no_pattern_escapes_the_quick_look() -> None:
    for style in (ANY, *STYLES):
        for pattern in (p for patterns in style.tags.values() for p in patterns):
            assert _TELLING.search(pattern.replace("(?:loss(?:es)?", "loss")), pattern


# --- sub-runs ----------------------------------------------------------------------------------------------------------


def test_phases_of_a_run_are_one_run() -> None:
    listed = {"a/train": ["epoch_loss"], "a/validation": ["epoch_loss"], "b": ["loss"]}
    groups = grouped(listed, ())
    assert set(groups) == {"a", "b"}
    assert groups["a"] == {
        "train/epoch_loss": Source("a/train", "epoch_loss"),
        "validation/epoch_loss": Source("a/validation", "epoch_loss"),
    }
    assert chosen(plan(groups["a"], {})) == {"loss": "epoch_loss", "validation_loss": "epoch_loss"}


def test_phases_at_the_top_are_the_root_run() -> None:
    assert set(grouped({"train": ["loss"], "valid": ["loss"]}, ())) == {"."}


def test_a_folder_that_is_merely_called_train_stays_what_it_is() -> None:
    groups = grouped({"exp/train": ["loss"], "exp/other": ["loss"]}, ())
    assert set(groups) == {"exp/train", "exp/other"}
    assert chosen(plan(groups["exp/train"], {})) == {"loss": "loss"}


def test_a_lone_validation_run_is_no_training_loss() -> None:
    groups = grouped({"exp/eval": ["loss"]}, ())
    assert chosen(plan(groups["exp/eval"], {})) == {"validation_loss": "loss"}


def test_curves_of_add_scalars_belong_to_their_run() -> None:
    listed = {"x": ["lr"], "x/Loss_train": ["Loss"], "x/Loss_val": ["Loss"]}
    groups = grouped(listed, ())
    assert set(groups) == {"x"}
    found = plan(groups["x"], {})
    assert found.sources[LOSS][""] == Source("x/Loss_train", "Loss")
    assert found.sources[VALIDATION_LOSS][""] == Source("x/Loss_val", "Loss")


def test_fairseq_prefers_the_finer_curve() -> None:
    listed = {
        "train_inner": ["loss", "gnorm", "lr"],
        "train": ["loss", "gnorm"],
        "valid": ["loss"],
    }
    found = plan(grouped(listed, ())["."], {})
    assert found.style == "fairseq"
    assert found.sources[LOSS][""].run == "train_inner"
    assert found.sources[VALIDATION_LOSS][""].run == "valid"
    assert found.sources[GLOBAL_NORM][""] == Source("train_inner", "gnorm")


@pytest.mark.parametrize("held_out", [["val/box_loss", "val/cls_loss"], []])
def test_a_folder_that_is_called_train_is_no_phase_when_its_tags_name_them(
    held_out: list[str],
) -> None:
    """Ultralytics calls the folder of its first run `train`."""
    tags = ["train/box_loss", "train/cls_loss", *held_out, "lr/pg0", "lr/pg1"]
    for listed in ({"train": tags}, {"train": tags, "train2": tags}, {"x/train": tags, "x": []}):
        name = next(iter(listed))
        groups = grouped({run: own for run, own in listed.items() if own}, ())
        found = chosen(plan(groups[name], {}))
        assert found["learning_rate"] == ["lr/pg0", "lr/pg1"]
        assert found.get("validation_loss_term", []) == held_out


def test_a_validation_folder_beside_it_takes_nothing_away() -> None:
    listed = {"train": ["train/loss", "val/loss", "lr"], "val": ["fitness"]}
    assert chosen(plan(grouped(listed, ())["train"], {}))["validation_loss"] == "val/loss"


def test_a_phase_alone_is_read_with_and_without_its_name() -> None:
    assert chosen(plan(grouped({"x/train": ["epoch_loss"]}, ())["x/train"], {})) == {
        "loss": "epoch_loss"
    }
    assert chosen(plan(grouped({"x/train": ["total_loss", "lr"]}, ())["x/train"], {})) == {
        "loss": "total_loss",
        "learning_rate": "lr",
    }


def test_runs_with_our_records_stay_alone() -> None:
    listed = {"x/train": ["loss"], "x/val": ["loss"]}
    assert set(grouped(listed, ["x/train"])) == {"x/train", "x"}


def test_numbers_in_tags_may_be_of_any_length() -> None:
    tags = ["lr-Adam/pg10", "lr-Adam/pg2", f"lr-Adam/pg{'9' * 5000}", "lr-Adam/pg007"]
    found = chosen(planned([*tags, "loss"]))
    assert found["learning_rate"] == [tags[1], tags[3], tags[0], tags[2]]


@pytest.mark.parametrize(
    ("train", "held_out"),
    [
        ("train/acc", "val/acc"),
        ("train_acc", "val_acc"),
        ("train_accuracy_epoch", "val_accuracy"),
        ("Accuracy/train", "Accuracy/test"),
        ("accuracy", "eval/accuracy"),
        ("train/mean_accuracy", "eval_accuracy"),
        ("train/top1", "test_acc"),
    ],
)
def test_accuracies_are_read_beside_the_loss(train: str, held_out: str) -> None:
    found = planned(["train/loss", train, held_out, "d_acc", "rewards/accuracies"])
    assert found.sources[ACCURACY][""].tag == train
    assert found.sources[VALIDATION_ACCURACY][""].tag == held_out


def test_keras_accuracies_are_read() -> None:
    listed = {
        f"k/{phase}": ["epoch_loss", f"epoch_{name}"]
        for phase in ("train", "validation")
        for name in ("sparse_categorical_accuracy",)
    }
    found = plan(grouped(listed, ())["k"], {})
    assert found.sources[ACCURACY][""].run == "k/train"
    assert found.sources[VALIDATION_ACCURACY][""].run == "k/validation"


def test_a_games_accuracy_is_none() -> None:
    found = planned(["train/loss", "d_loss", "train/accuracy"])
    assert not {ACCURACY, VALIDATION_ACCURACY} & set(found.sources)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("train/mean_token_accuracy", True),
        ("train/num_input_tokens_seen", True),
        ("eval/perplexity", True),
        ("lm loss", True),
        ("train/accuracy", False),
        ("train/grad_norm", False),
        ("broken_tokens", False),
    ],
)
def test_tags_that_only_a_language_model_has_are_noted(tag: str, *, language: bool) -> None:
    assert bool(planned([tag, "train/loss"]).language) is language


# --- agents ------------------------------------------------------------------------------------------------------------

AGENTS = {
    "TRL, GRPO": (
        ["train/loss", "train/reward", "train/reward_std", "train/frac_reward_zero_std", "train/entropy", "train/kl",
         "train/clip_ratio/region_mean", "train/clip_ratio/low_mean", "train/completions/mean_length", "train/grad_norm",
         "train/completions/clipped_ratio", "train/rewards/format/mean", "train/rewards/format/std", "eval/reward"],
        {"reward": "train/reward", "reward_std": "train/reward_std", "dead_groups": "train/frac_reward_zero_std",
         "policy_entropy": "train/entropy", "reference_kl": "train/kl", "clipped_ratio": "train/clip_ratio/region_mean",
         "clipped_low": "train/clip_ratio/low_mean", "answer_length": "train/completions/mean_length",
         "truncated_share": "train/completions/clipped_ratio", "reward_term": "train/rewards/format/mean",
         "held_out_score": "eval/reward", "global_norm": "train/grad_norm"},
    ),
    "verl": (
        ["actor/entropy", "actor/pg_loss", "actor/pg_clipfrac", "actor/grad_norm", "actor/kl_loss", "actor/lr", "critic/score/mean",
         "critic/rewards/mean", "critic/advantages/std", "critic/vf_explained_var", "critic/vf_loss", "response_length/mean",
         "response_length/clip_ratio", "val-core/gsm8k/acc/mean@1", "perf/throughput", "actor/ppo_kl", "rollout_corr/k3_kl",
         "rollout_corr/rollout_is_eff_sample_size", "rollout_corr/ppl_ratio", "rollout_corr/kl"],
        {"throughput": "perf/throughput", "reward": "critic/score/mean", "policy_entropy": "actor/entropy", "clipped_ratio": "actor/pg_clipfrac",
         "global_norm": "actor/grad_norm", "reference_kl": "actor/kl_loss", "learning_rate": "actor/lr",
         "advantage_std": "critic/advantages/std", "explained_variance": "critic/vf_explained_var",
         "value_loss": "critic/vf_loss", "answer_length": "response_length/mean",
         "truncated_share": "response_length/clip_ratio", "held_out_score": "val-core/gsm8k/acc/mean@1",
         "policy_kl": "actor/ppo_kl", "rollout_kl": "rollout_corr/k3_kl", "rollout_perplexity": "rollout_corr/ppl_ratio",
         "rollout_samples": "rollout_corr/rollout_is_eff_sample_size"},
    ),
    "TRL with vLLM, and its PPO": (
        ["train/reward", "train/sampling/sampling_logp_difference/mean", "val/ratio", "policy/approxkl_avg"],
        {"reward": "train/reward", "rollout_gap": "train/sampling/sampling_logp_difference/mean", "policy_ratio": "val/ratio",
         "policy_kl": "policy/approxkl_avg"},
    ),
    "loops by hand": (
        ["loss", "mean_reward", "std_reward", "kl_ref", "avg_response_len", "accuracy"],
        {"reward": "mean_reward", "reward_std": "std_reward", "reference_kl": "kl_ref", "answer_length": "avg_response_len"},
    ),
    "Dreamer": (["sim/train/return", "sim/train/length"], {"reward": "sim/train/return"}),
    "prime-rl": (
        ["reward/all/mean", "entropy/all/mean", "mismatch_kl/all/mean", "optim/grad_norm"],
        {"reward": "reward/all/mean", "policy_entropy": "entropy/all/mean", "rollout_kl": "mismatch_kl/all/mean",
         "global_norm": "optim/grad_norm"},
    ),
    "Stable-Baselines3": (
        ["rollout/ep_rew_mean", "rollout/ep_len_mean", "train/clip_fraction", "train/explained_variance", "train/value_loss",
         "train/loss", "train/entropy_loss", "train/approx_kl", "train/learning_rate", "eval/mean_reward", "train/std"],
        {"reward": "rollout/ep_rew_mean", "clipped_ratio": "train/clip_fraction", "value_loss": "train/value_loss",
         "explained_variance": "train/explained_variance", "learning_rate": "train/learning_rate",
         "held_out_score": "eval/mean_reward", "entropy_loss": "train/entropy_loss", "policy_kl": "train/approx_kl",
         "action_spread": "train/std"},
    ),
    "TRL, DPO": (
        ["train/loss", "train/rewards/chosen", "train/rewards/rejected", "train/rewards/margins",
         "train/rewards/accuracies", "train/logps/chosen", "train/entropy", "lengths/chosen", "lengths/rejected"],
        {"loss": "train/loss", "chosen_reward": "train/rewards/chosen", "rejected_reward": "train/rewards/rejected",
         "reward_margin": "train/rewards/margins", "preference_accuracy": "train/rewards/accuracies",
         "chosen_logp": "train/logps/chosen", "chosen_length": "lengths/chosen", "rejected_length": "lengths/rejected"},
    ),
    "a reward model, and others with an entropy": (
        ["train/loss", "train/mean_reward", "train/entropy", "train/kl", "eval/accuracy"],
        {"loss": "train/loss", "validation_accuracy": "eval/accuracy"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AGENTS)
def test_what_agents_and_preference_tunings_log(name: str) -> None:
    tags, expected = AGENTS[name]
    assert chosen(planned(tags)) == expected


def test_every_tag_of_an_agent_is_listed_for_the_patterns() -> None:
    """Tags that hold none of the telling words are not looked at."""
    found = {tag for tags, expected in AGENTS.values() for tag in expected.values()}
    telling = (agents.TELLING, durations.TELLING, _TELLING)
    assert all(any(words.search(tag) for words in telling) for tag in found)


@pytest.mark.parametrize(
    ("tags", "quantity", "tag"),
    [
        (["train/loss", "train/step_time"], STEP_SECONDS, "train/step_time"),
        (["critic/score/mean", "timing_s/gen", "timing_s/step", "perf/time_per_step"], STEP_SECONDS, "timing_s/step"),
        (["loss_metrics/global_avg_loss", "time_metrics/end_to_end(s)", "time_metrics/data_loading(s)"], STEP_SECONDS, "time_metrics/end_to_end(s)"),
        (["lm loss", "iteration-time", "iteration-time vs samples"], STEP_SECONDS, "iteration-time"),
        (["lm_loss", "elapsed_time_per_iteration_(ms)"], STEP_SECONDS, "elapsed_time_per_iteration_(ms)"),
        (["reduced_train_loss", "train_step_timing in s", "train_backward_timing in s"], STEP_SECONDS, "train_step_timing in s"),
        (["TrainIterStats/loss", "TrainIterStats/step_time", "TrainIterStats/loader_time"], STEP_SECONDS, "TrainIterStats/step_time"),
        (["train/CE loss", "throughput/device/BPS", "throughput/device/BPS (actual avg)"], STEP_SECONDS, "throughput/device/BPS"),
        (["train_loss", "train|device/batches_per_sec", "train|time"], STEP_SECONDS, "train|device/batches_per_sec"),
        (["total_loss", "time", "data_time", "eta_seconds"], STEP_SECONDS, "time"),
        (["loss", "tokens_per_second_per_gpu"], THROUGHPUT, "tokens_per_second_per_gpu"),
        (["train/loss", "train/tokens/train_per_sec_per_gpu"], THROUGHPUT, "train/tokens/train_per_sec_per_gpu"),
        (["loss_metrics/global_avg_loss", "throughput(tps)"], THROUGHPUT, "throughput(tps)"),
        (["critic/score/mean", "perf/throughput", "perf/total_num_tokens"], STEP_TOKENS, "perf/total_num_tokens"),
        (["lm loss", "batch-size", "batch-size vs samples"], STEP_SAMPLES, "batch-size"),
    ],
)  # fmt: skip
def test_how_long_a_step_takes(tags: list[str], quantity: Quantity, tag: str) -> None:
    assert chosen(planned(tags))[quantity.name] == tag


@pytest.mark.parametrize(
    "tags",
    [
        ["train/box_loss", "time"],  # Ultralytics: since the beginning
        ["train/loss", "eval/runtime", "eval/steps_per_second", "train_steps_per_second"],
        ["loss", "iter_time"],  # ESPnet: what its loader took
        ["rollout/ep_rew_mean", "time/fps", "time/time_elapsed"],
    ],
)
def test_what_is_no_time_of_a_step(tags: list[str]) -> None:
    assert not {STEP_SECONDS.name, THROUGHPUT.name} & set(chosen(planned(tags)))
