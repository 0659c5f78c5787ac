"""The third lot, through PEFT: a rate for whole models, words that are new, and prompts that are learned."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import sealed
from clinic.abroad.cases.adapters import dialect, lora, pretrained
from clinic.abroad.cases.language import fit
from clinic.abroad.corpora import SIZE, Examples, sentences
from peft import PromptTuningConfig, get_peft_model

from tb_lossdiag import SummaryWriter


@sealed(
    "LD602",
    "LD109",
    "LD104",
    family="PEFT",
    source="https://github.com/haotian-liu/LLaVA/issues/1172, https://github.com/tloen/alpaca-lora/issues/4",
)
def adapters_at_a_rate_for_whole_models(writer: SummaryWriter) -> None:
    """LoRA at 1e-5, as whole models are tuned: it hardly leaves where it began."""
    fit(writer, lora(pretrained()), dialect(), learning_rate=1e-5, max_steps=120)


def _with_new_words(model: Any) -> tuple[Any, Examples]:
    """Sentences between two marks that the model has never seen, with rows for them in its embedding."""
    model.resize_token_embeddings(SIZE + 2, mean_resizing=False)
    tokens = sentences(1500, length=16, seed=2)
    marks = torch.full((1500, 1), SIZE)
    tokens = torch.cat([marks, tokens[:, :8], marks + 1, tokens[:, 8:], marks], 1)
    return model, Examples(input_ids=tokens, labels=tokens)


@sealed(
    "LD603",
    "LD204",
    family="PEFT",
    hard=True,
    source="https://github.com/artidoro/qlora/issues/214, https://github.com/Code-kunkun/LamRA/issues/4",
)
def new_words_that_stay_as_they_were_drawn(writer: SummaryWriter) -> None:
    """The vocabulary grows by two marks, and LoRA leaves their embeddings frozen."""
    model, data = _with_new_words(pretrained())
    fit(writer, lora(model), data, learning_rate=3e-3, max_steps=120)


@sealed(family="PEFT")
def new_words_that_are_learned(writer: SummaryWriter) -> None:
    """`modules_to_save` holds the embedding."""
    model, data = _with_new_words(pretrained())
    adapted = lora(model, modules_to_save=["wte"])
    fit(writer, adapted, data, learning_rate=3e-3, max_steps=120)


@sealed(family="PEFT")
def a_prompt_of_eight_is_learned(writer: SummaryWriter) -> None:
    """Prompt tuning: eight vectors before each sentence, at a rate that would wreck a whole model."""
    settings = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=8)
    model = get_peft_model(pretrained(), settings)
    fit(writer, model, dialect(), learning_rate=0.3, max_steps=120)
