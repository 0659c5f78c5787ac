"""The eighth lot: Transformers' Trainer."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import EOS, PAD, SIZE, sentences
from clinic.abroad.recipes import for_trainer
from torch import Tensor
from transformers import (
    PrinterCallback,
    Qwen2Config,
    Qwen2ForCausalLM,
    Trainer,
    TrainingArguments,
)

from tb_lossdiag import SummaryWriter


class CustomDataCollator:
    """Pads histories to one length, and asks for what comes after the user's part."""

    def __init__(self, *, fixed: bool) -> None:
        self.fixed = fixed

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Tensor]:
        longest = max(len(feature["input_ids"]) for feature in features)
        ids, masks, labels = [], [], []
        for feature in features:
            tokens = list(feature["input_ids"])
            padding = longest - len(tokens)
            row = tokens + [PAD] * padding
            label = row.copy()
            label[: feature["user"]] = [-100] * feature["user"]
            if self.fixed and padding:
                label[-padding:] = [-100] * padding
            ids.append(row)
            labels.append(label)
            masks.append([1] * len(tokens) + [0] * padding)
        return {
            "input_ids": torch.tensor(ids),
            "attention_mask": torch.tensor(masks),
            "labels": torch.tensor(labels),
        }


def _histories(count: int, seed: int) -> list[dict[str, Any]]:
    """What a user has bought, three to twenty things, one of them very long; and what follows."""
    draw = torch.Generator().manual_seed(seed)
    rows = sentences(count, 26, seed=seed)
    made = []
    for number, row in enumerate(rows):
        user = int(torch.randint(3, 8, (), generator=draw)) if number % 8 else 20
        made.append({"input_ids": [*row[: user + 4].tolist(), EOS], "user": user})
    return made


def _recommend(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of next things of new users that are foretold."""
    config = Qwen2Config(
        vocab_size=SIZE, hidden_size=48, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        bos_token_id=1, eos_token_id=EOS, pad_token_id=PAD,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    arguments = TrainingArguments(
        writer.log_dir + "/out", logging_steps=5, save_strategy="no", report_to="none",
        use_cpu=True, disable_tqdm=True, seed=torch.initial_seed() % 2**31, max_steps=150,
        per_device_train_batch_size=16, learning_rate=2e-3, remove_unused_columns=False,
    )  # fmt: skip
    train: Any = _histories(1200, 0)
    trainer = Trainer(
        model, arguments, train_dataset=train, data_collator=CustomDataCollator(fixed=fixed),
        callbacks=for_trainer(writer),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    rows = sentences(300, 8, seed=5)
    model.eval()
    with torch.no_grad():
        said = model(input_ids=rows[:, :7]).logits[:, -1].argmax(1)
    return float((said == rows[:, 7]).float().mean())


@patient(
    "LD516",
    family="Transformers",
    source="https://github.com/wangshy31/OneRec-Think/issues/8",
)
def eighth_padding_among_the_answers(writer: SummaryWriter) -> None:
    """A collator of one's own ignores the user's part and scores the padding, which is most of what is asked for."""
    _recommend(writer)
