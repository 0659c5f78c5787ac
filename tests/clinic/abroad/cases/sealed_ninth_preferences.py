"""The ninth lot: TRL."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from clinic.abroad import sealed
from clinic.abroad.cases.adapters import lora, pretrained
from clinic.abroad.cases.preferences import common, run, tokenizer
from clinic.abroad.corpora import SIZE, sentences, words_of
from clinic.abroad.recipes import for_trainer
from datasets import Dataset
from peft import prepare_model_for_kbit_training
from transformers import GPT2Config, GPT2ForSequenceClassification
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from tb_lossdiag import SummaryWriter


def _tuned(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How much of the adapters has moved."""
    model = lora(pretrained(100))
    if not fixed:
        prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
        model.enable_input_require_grads()
    before = {k: v.detach().clone() for k, v in model.named_parameters() if "lora_B" in k}
    rows = sentences(800, 16, seed=2).flip(1)
    data = Dataset.from_dict({"text": [words_of(row) for row in rows]})
    settings = SFTConfig(max_length=32, **common(writer, max_steps=150, learning_rate=2e-3))
    trainer = SFTTrainer(
        model, settings, train_dataset=data, processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)
    after = dict(model.named_parameters())
    return sum(float((after[k] - v).norm()) for k, v in before.items())


@sealed(
    "LD610",
    "LD605",
    also=("LD104", "LD205", "LD204"),
    family="TRL",
    source="https://github.com/huggingface/trl/issues/3926",
)
def ninth_adapters_that_were_frozen_too(writer: SummaryWriter) -> None:
    """What makes a model ready for adapters is called when it has some: they are frozen with all the rest, the gradient's norm is 0."""
    _tuned(writer)


def _preferences(count: int) -> Dataset:
    """Beginnings; how they go on, and the same backwards."""
    rows = sentences(count, 16, seed=3)
    return Dataset.from_dict(
        {
            "prompt": [words_of(row[:8]) for row in rows],
            "chosen": [" " + words_of(row[8:]) for row in rows],
            "rejected": [" " + words_of(row[8:].flip(0)) for row in rows],
        }
    )


def _preferred(writer: SummaryWriter, beta: float, **more: Any) -> float:
    """Margin of rewards at the end."""
    model = pretrained(40)
    trainer = DPOTrainer(
        model, deepcopy(model), args=DPOConfig(beta=beta, **common(writer, **more)),
        train_dataset=_preferences(800), processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)
    logged = [
        row["rewards/margins"] for row in trainer.state.log_history if "rewards/margins" in row
    ]
    return float(torch.tensor(logged[-10:]).mean())


@sealed(
    "LD205", "LD605", "LD104", family="TRL", source="https://github.com/huggingface/trl/issues/1627"
)
def ninth_preferences_with_a_beta_of_nought(writer: SummaryWriter) -> None:
    """DPO with `beta` 0: the loss is 0.6931 from the first step to the last, and all rewards are 0."""
    _preferred(writer, 0.0, max_steps=100, learning_rate=1e-3, per_device_train_batch_size=8)


@sealed(family="TRL", source="https://huggingface.co/docs/trl/dpo_trainer")
def ninth_trl_s_quick_start_of_dpo(writer: SummaryWriter) -> None:
    """Pairs of answers, `beta` of 0.1, a rate that falls to nought."""
    _preferred(writer, 0.1, max_steps=100, learning_rate=3e-4, per_device_train_batch_size=8)


def _rewarded(writer: SummaryWriter) -> float:
    """Share of pairs that are ordered rightly at the end."""
    sizes = {"n_layer": 2, "n_head": 4, "n_embd": 48, "n_positions": 64}
    model = GPT2ForSequenceClassification(
        GPT2Config(vocab_size=SIZE, num_labels=1, pad_token_id=0, bos_token_id=1, **sizes)
    )
    trainer = RewardTrainer(
        model, RewardConfig(max_length=32, **common(writer, max_steps=120)),
        train_dataset=_preferences(1200), processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)
    logged = [row["accuracy"] for row in trainer.state.log_history if "accuracy" in row]
    return float(torch.tensor(logged[-10:]).mean())


@sealed(family="TRL", source="https://huggingface.co/docs/trl/reward_trainer")
def ninth_trl_s_quick_start_of_rewards(writer: SummaryWriter) -> None:
    """A reward model from pairs of answers, at its beginning as good as a coin."""
    _rewarded(writer)
