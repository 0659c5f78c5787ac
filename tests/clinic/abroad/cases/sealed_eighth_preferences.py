"""The eighth lot, what is sound: TRL."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.adapters import pretrained
from clinic.abroad.cases.preferences import common, run, tokenizer
from clinic.abroad.corpora import EOS, PAD, SIZE, sentences, words_of
from clinic.abroad.recipes import for_trainer
from datasets import Dataset
from transformers import GPT2Config, GPT2ForSequenceClassification
from trl import RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from tb_lossdiag import SummaryWriter


def _judged(writer: SummaryWriter) -> float:
    """Share of pairs that are ordered rightly at the end."""
    ones, others = sentences(700, 14, seed=3), sentences(700, 14, seed=9)
    plainer = ((ones < 26).sum(1) > (others < 26).sum(1))[:, None]
    good = [words_of(row) for row in torch.where(plainer, ones, others)]
    other = [words_of(row) for row in torch.where(plainer, others, ones)]
    turned = torch.rand(700) < 0.2
    pairs = zip(good, other, turned.tolist(), strict=True)
    chosen, rejected = zip(*((b, a) if t else (a, b) for a, b, t in pairs), strict=True)
    data = Dataset.from_dict({"chosen": list(chosen), "rejected": list(rejected)})
    config = GPT2Config(
        vocab_size=SIZE, n_embd=48, n_layer=2, n_head=4, n_positions=64, num_labels=1,
        bos_token_id=1, eos_token_id=EOS, pad_token_id=PAD, resid_pdrop=0.0, embd_pdrop=0.0,
        attn_pdrop=0.0,
    )  # fmt: skip
    settings = RewardConfig(**common(writer, max_steps=200, learning_rate=2e-3, warmup_steps=10))
    trainer = RewardTrainer(
        GPT2ForSequenceClassification(config), args=settings, train_dataset=data,
        processing_class=tokenizer(), callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)
    logged = [row["accuracy"] for row in trainer.state.log_history if "accuracy" in row]
    return float(torch.tensor(logged[-20:]).mean())


@patient(family="TRL")
def eighth_judges_of_whom_some_err(writer: SummaryWriter) -> None:
    """A reward model learns from pairs, of plainer words and of rarer ones, of which a fifth was put the wrong way round: three of four and more are ordered as they said, which is about all there is."""
    _judged(writer)


def _packed(writer: SummaryWriter) -> float:
    """Loss at the end."""
    rows = sentences(900, 18, seed=3)
    lengths = torch.randint(5, 18, (900,)).tolist()
    text = [words_of(row[:n]) for row, n in zip(rows, lengths, strict=True)]
    more: dict[str, Any] = {
        "max_steps": 80, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2,
        "learning_rate": 3e-3, "lr_scheduler_type": "cosine_with_min_lr", "neftune_noise_alpha": 3,
        "lr_scheduler_kwargs": {"min_lr": 1e-4}, "max_length": 48,
    }  # fmt: skip
    trainer = SFTTrainer(
        pretrained(30), SFTConfig(**common(writer, **more)),
        train_dataset=Dataset.from_dict({"text": text}), processing_class=tokenizer(),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    run(trainer)
    logged = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return float(sum(logged[-10:]) / 10)


@patient(family="TRL")
def eighth_embeddings_that_are_shaken(writer: SummaryWriter) -> None:
    """SFT on texts of five to eighteen words, in two parts of four a step, with noise on the embeddings (NEFTune) and a rate that stays above nought."""
    _packed(writer)
