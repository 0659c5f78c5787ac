"""PEFT: LoRA and DoRA on a small GPT-2 that has learned another language."""

from __future__ import annotations

import functools
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.cases.language import fit, gpt2
from clinic.abroad.corpora import SIZE, Examples, sentences
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.optim import AdamW
from torch.utils.checkpoint import checkpoint

from tb_lossdiag import SummaryWriter


def pretrained(steps: int = 100) -> Any:
    """A GPT-2 after a hundred steps on the language."""
    model = gpt2()
    optimizer = AdamW(model.parameters(), lr=3e-3)
    tokens = sentences(1000)
    for _ in range(steps):
        batch = tokens[torch.randint(len(tokens), (16,))]
        optimizer.zero_grad()
        model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
    return model


def dialect() -> Examples:
    """The same language in which a fifth of the words have changed places."""
    tokens = sentences(1500, seed=2)
    swapped = torch.arange(SIZE)
    swapped[4:14] = swapped[4:14].flip(0)
    tokens = swapped[tokens]
    return Examples(input_ids=tokens, labels=tokens)


def lora(model: Any, **more: Any) -> Any:
    """Adapters of rank 8 on attention and feed-forward layers."""
    settings = {
        "r": 8,
        "lora_alpha": 16,
        "target_modules": ["c_attn", "c_fc"],
        "fan_in_fan_out": True,
    }
    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **{**settings, **more}))


@patient(family="PEFT")
def lora_learns_a_dialect(writer: SummaryWriter) -> None:
    """B starts at zero."""
    fit(writer, lora(pretrained()), dialect(), learning_rate=5e-3)


@patient(family="PEFT")
def dora_learns_a_dialect(writer: SummaryWriter) -> None:
    """With magnitudes of its own."""
    fit(writer, lora(pretrained(), use_dora=True), dialect(), learning_rate=5e-3)


def spoken() -> Examples:
    """Two tokens that are new say, in turn, whether the language or its dialect follows for six words."""
    plain, turned = sentences(1500, seed=2), dialect().columns["input_ids"]
    place = torch.arange(plain.shape[1])
    second = (place // 8) % 2 == 1
    tokens = torch.where(second, turned, plain)
    tokens = torch.where(place % 8 == 0, SIZE + second.long(), tokens)
    return Examples(input_ids=tokens, labels=tokens)


def _resized() -> Any:
    model = pretrained()
    model.resize_token_embeddings(SIZE + 2)
    return model


@patient(
    "LD517",
    family="PEFT",
    source="feizc/Visual-LLaMA issue 2, unslothai/unsloth issue 1024, axolotl-ai-cloud/axolotl issue 1570",
)
def new_tokens_behind_frozen_embeddings(writer: SummaryWriter) -> None:
    """Two tokens were added, their rows are the mean of all, and adapters leave the embeddings as they are."""
    fit(writer, lora(_resized()), spoken(), learning_rate=5e-3)


@patient(family="PEFT")
def new_tokens_that_are_trained(writer: SummaryWriter) -> None:
    """The same, and the two rows are trained beside the adapters."""
    new = {"transformer.wte": [SIZE, SIZE + 1]}
    fit(writer, lora(_resized(), trainable_token_indices=new), spoken(), learning_rate=5e-3)


@patient(family="PEFT")
def new_tokens_in_embeddings_of_their_own(writer: SummaryWriter) -> None:
    """The same, and a copy of the embeddings is trained in full."""
    fit(writer, lora(_resized(), modules_to_save=["wte"]), spoken(), learning_rate=5e-3)


@patient(family="PEFT")
def lora_with_a_head_of_its_own(writer: SummaryWriter) -> None:
    """The embedding is trained in full beside the adapters."""
    model = lora(pretrained(), modules_to_save=["wte"], lora_dropout=0.05)
    fit(writer, model, dialect(), learning_rate=2e-3)


@patient(
    "LD204",
    "LD208",
    family="PEFT",
    source="cloneofsimo/lora issue 26, huggingface/transformers issue 26221, huggingface/peft issue 1142",
)
def lora_behind_a_checkpoint(writer: SummaryWriter) -> None:
    """Reentrant checkpointing of blocks whose inputs require no gradient: the adapters get none."""
    model = lora(pretrained(), modules_to_save=["ln_f"])
    for block in model.get_base_model().transformer.h:
        block.forward = functools.partial(_checkpointed, block.forward)
    fit(writer, model, dialect())


def _checkpointed(forward: Any, hidden: Tensor, *more: Any, **named: Any) -> Any:
    """As scripts do it that wrap blocks themselves."""
    return checkpoint(lambda x: forward(x, *more, **named), hidden, use_reentrant=True)


@patient(
    "LD610",
    "LD208",
    "LD605",
    family="PEFT",
    source="huggingface/trl issue 6700 (is_trainable=False), huggingface/peft issue 137",
)
def an_adapter_loaded_for_inference(writer: SummaryWriter) -> None:
    """All parameters are frozen, and inputs that require a gradient keep backward from complaining."""
    model = lora(pretrained(), inference_mode=True)
    model.enable_input_require_grads()
    fit(writer, model, dialect(), learning_rate=5e-3)


@patient(family="PEFT")
def lora_with_a_scale_of_eight(writer: SummaryWriter) -> None:
    """An alpha of eight times the rank, and a smaller rate."""
    fit(writer, lora(pretrained(), lora_alpha=64), dialect(), learning_rate=2e-3)


@patient(
    "LD633",
    "LD601",
    "LD102",
    "LD111",
    family="PEFT",
    source="Blaizzy/mlx-vlm issue 841, bmaltais/kohya_ss issue 1758",
)
def an_alpha_of_a_thousand(writer: SummaryWriter) -> None:
    """The adapters' answers are multiplied by 128, and nothing is clipped."""
    model = lora(pretrained(), lora_alpha=1024)
    fit(writer, model, dialect(), learning_rate=2e-2, max_grad_norm=0.0)
