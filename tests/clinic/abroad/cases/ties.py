"""Embeddings and heads of Transformers' models that are to be one tensor: ties that hold, ties that broke before the training, and none by design."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.adapters import dialect, lora, pretrained
from clinic.abroad.cases.language import fit, gpt2, language
from clinic.abroad.corpora import SIZE
from torch import nn

from tb_lossdiag import SummaryWriter


def _initialised(model: Any) -> Any:
    """As a program does that has built its model on the meta device."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.02)
        else:
            nn.init.constant_(parameter, float("ln" in name and name.endswith("weight")))
    return model


@patient(
    "LD620",
    family="Transformers",
    source="NVIDIA-NeMo/Automodel pull request 2511",
)
def gpt2_built_on_the_meta_device(writer: SummaryWriter) -> None:
    """`to_empty` gives each module a parameter of its own, and nobody ties them again."""
    with torch.device("meta"):
        model = gpt2()
    fit(writer, _initialised(model.to_empty(device="cpu")), language(), max_steps=80)


@patient("LD620", family="Transformers", source="huggingface/transformers issue 1730")
def gpt2_with_a_head_of_another_make(writer: SummaryWriter) -> None:
    """A new head takes the place of the old one, and the config still says that both are one."""
    model = gpt2()
    model.lm_head = nn.Linear(model.config.n_embd, SIZE, bias=False)
    fit(writer, model, language(), max_steps=80)


@patient(family="Transformers")
def gpt2_from_the_meta_device_tied_again(writer: SummaryWriter) -> None:
    """The same as the first, with the call that is missing there."""
    with torch.device("meta"):
        model = gpt2()
    model.to_empty(device="cpu")
    model.tie_weights()
    fit(writer, _initialised(model), language(), max_steps=80)


@patient(family="Transformers")
def gpt2_with_a_larger_vocabulary(writer: SummaryWriter) -> None:
    """`resize_token_embeddings` ties what it makes."""
    model = gpt2()
    model.resize_token_embeddings(SIZE + 8)
    fit(writer, model, language(), max_steps=80)


@patient(family="Transformers")
def gpt2_of_two_matrices_by_design(writer: SummaryWriter) -> None:
    """The config says that nothing is tied, and both begin as copies."""
    model = gpt2(tie_word_embeddings=False)
    with torch.no_grad():
        model.lm_head.weight.copy_(model.transformer.wte.weight)
    fit(writer, model, language(), max_steps=80)


@patient(family="PEFT")
def lora_beside_a_copy_of_the_head(writer: SummaryWriter) -> None:
    """The adapter trains a head of its own; the embedding it was tied to is frozen."""
    fit(writer, lora(pretrained(), modules_to_save=["lm_head"]), dialect(), learning_rate=2e-3)
