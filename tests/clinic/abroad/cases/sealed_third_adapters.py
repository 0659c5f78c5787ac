"""The third lot, through PEFT: a rate for whole models, and words that are new."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.adapters import dialect, lora, pretrained
from clinic.abroad.cases.language import fit
from clinic.abroad.corpora import SIZE, Examples, sentences

from tb_lossdiag import SummaryWriter


@patient(
    "LD602",
    "LD109",
    "LD104",
    family="PEFT",
    source="https://github.com/haotian-liu/LLaVA/issues/1172, https://github.com/tloen/alpaca-lora/issues/4",
)
def adapters_at_a_rate_for_whole_models(writer: SummaryWriter) -> None:
    """LoRA at 1e-5, as whole models are tuned: it hardly leaves where it began."""
    fit(writer, lora(pretrained()), dialect(), learning_rate=1e-5, max_steps=80)


def _with_new_words(model: Any) -> tuple[Any, Examples]:
    """Sentences between two marks that the model has never seen, with rows for them in its embedding."""
    model.resize_token_embeddings(SIZE + 2, mean_resizing=False)
    tokens = sentences(1500, length=16, seed=2)
    marks = torch.full((1500, 1), SIZE)
    tokens = torch.cat([marks, tokens[:, :8], marks + 1, tokens[:, 8:], marks], 1)
    return model, Examples(input_ids=tokens, labels=tokens)


@patient(family="PEFT")
def new_words_that_are_learned(writer: SummaryWriter) -> None:
    """`modules_to_save` holds the embedding."""
    model, data = _with_new_words(pretrained())
    adapted = lora(model, modules_to_save=["wte"])
    fit(writer, adapted, data, learning_rate=3e-3, max_steps=80)
