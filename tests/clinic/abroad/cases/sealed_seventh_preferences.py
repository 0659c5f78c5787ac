"""The seventh lot, what is sound: TRL."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.adapters import pretrained
from clinic.abroad.cases.preferences import common, run, tokenizer
from clinic.abroad.corpora import sentences, words_of
from clinic.abroad.recipes import for_trainer
from datasets import Dataset
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from tb_lossdiag import SummaryWriter


def _questions(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Beginnings of sentences, and their last four words as the answer."""
    rows = sentences(count, 16, seed=seed)
    return [words_of(row[:12]) for row in rows], [" " + words_of(row[12:]) for row in rows]


def _answers(writer: SummaryWriter) -> float:
    """Loss of the answers at the end."""
    prompt, completion = _questions(600, 3)
    data = Dataset.from_dict({"prompt": prompt, "completion": completion})
    more: dict[str, Any] = {
        "max_steps": 90, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 2,
        "learning_rate": 3e-3, "lr_scheduler_type": "cosine", "warmup_steps": 5,
    }  # fmt: skip
    trainer = SFTTrainer(
        pretrained(200), SFTConfig(completion_only_loss=True, **common(writer, **more)),
        train_dataset=data, processing_class=tokenizer(), callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)
    logged = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return float(sum(logged[-10:]) / 10)


@patient(family="TRL")
def seventh_answers_of_four_words(writer: SummaryWriter) -> None:
    """SFT on answers of four words and an end, in two parts a step: five labels of seventeen; it ends near 0.55, where chance sets the floor."""
    _answers(writer)


def _preferred(writer: SummaryWriter) -> float:
    """Share of pairs that are ordered rightly at the end."""
    rows = sentences(600, 16, seed=3)
    prompt = [words_of(row[:8]) for row in rows]
    good = [" " + words_of(row[8:]) for row in rows]
    other = [" " + words_of(row[8:].flip(0)) for row in rows]
    data = Dataset.from_dict({"prompt": prompt, "chosen": good, "rejected": other})
    model = pretrained(40)
    settings = DPOConfig(
        beta=0.5, loss_type="ipo",
        **common(writer, max_steps=80, learning_rate=5e-4, max_grad_norm=0.5),
    )  # fmt: skip
    trainer = DPOTrainer(
        model, deepcopy(model), args=settings, train_dataset=data, processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)
    logged = [row for row in trainer.state.log_history if "rewards/accuracies" in row]
    return float(torch.tensor([row["rewards/accuracies"] for row in logged[-10:]]).mean())


@patient(family="TRL", source="https://arxiv.org/abs/2310.12036")
def seventh_preferences_with_an_end(writer: SummaryWriter) -> None:
    """IPO with a beta of 0.5: the margin is to be 1 and no more, so that the loss settles above nought; all pairs are ordered rightly."""
    _preferred(writer)
