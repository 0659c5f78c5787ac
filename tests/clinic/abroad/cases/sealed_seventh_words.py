"""The seventh lot: Transformers' Trainer."""

from __future__ import annotations

import random
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, Examples, sentences
from clinic.abroad.recipes import for_trainer
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from tb_lossdiag import SummaryWriter


def _arguments(writer: SummaryWriter, **more: Any) -> TrainingArguments:
    settings = {"per_device_train_batch_size": 16, "learning_rate": 2e-3, **more}
    return TrainingArguments(
        writer.log_dir + "/out", logging_steps=5, save_strategy="no", report_to="none",
        use_cpu=True, disable_tqdm=True, seed=torch.initial_seed() % 2**31, **settings,
    )  # fmt: skip


def _run(trainer: Trainer) -> None:
    trainer.remove_callback(PrinterCallback)
    trainer.train()


class _DynamicLayers(TrainerCallback):  # type: ignore[misc]
    """LISA: of all layers, one that is drawn anew every ten steps is trained."""

    def __init__(self, model: Any, *, fixed: bool) -> None:
        self.layers, self.rng = model.model.layers, random.Random(0)  # noqa: S311
        for layer in self.layers:
            layer.requires_grad_(requires_grad=fixed)

    def on_step_begin(self, _: Any, state: Any, __: Any, **___: Any) -> None:
        """Draw anew."""
        if state.global_step % 10 == 0:
            for layer in self.layers:
                layer.requires_grad_(requires_grad=False)
            self.rng.choice(list(self.layers)).requires_grad_(requires_grad=True)


def _lisa(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """How much the attention of the first layer has moved."""
    config = LlamaConfig(
        vocab_size=SIZE, hidden_size=48, intermediate_size=96, num_hidden_layers=4,
        num_attention_heads=4, max_position_embeddings=64, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    before = model.model.layers[0].self_attn.q_proj.weight.detach().clone()
    rows = sentences(1200, 16)
    trainer = Trainer(
        model, _arguments(writer, max_steps=150),
        train_dataset=Examples(input_ids=rows, labels=rows),
        callbacks=[*for_trainer(writer), _DynamicLayers(model, fixed=fixed)],
    )  # fmt: skip
    _run(trainer)
    return float((model.model.layers[0].self_attn.q_proj.weight - before).abs().mean())


@patient("LD603", family="Transformers", source="https://github.com/OptimalScale/LMFlow/issues/726")
def seventh_layers_thawed_for_no_optimizer(writer: SummaryWriter) -> None:
    """LISA freezes all layers, and thaws one now and then; the Trainer's optimizer was made before and holds embeddings and head only."""
    _lisa(writer)
