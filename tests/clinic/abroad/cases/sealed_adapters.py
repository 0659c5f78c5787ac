"""PEFT: adapters under a classifier."""

from __future__ import annotations

from typing import Any

from clinic.abroad import patient
from clinic.abroad.cases.adapters import pretrained
from clinic.abroad.cases.language import fit
from clinic.abroad.corpora import EOS, PAD, SIZE, Examples, sentences
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2ForSequenceClassification

from tb_lossdiag import SummaryWriter


def _classifier() -> Any:
    """A GPT-2 that has learned the language, below a new head: which part of it does a sentence end in?"""
    sizes: dict[str, Any] = {"n_layer": 2, "n_head": 4, "n_embd": 48, "n_positions": 64}
    marks: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": EOS, "pad_token_id": PAD}
    settings = GPT2Config(vocab_size=SIZE, num_labels=4, **sizes, **marks)
    model: Any = GPT2ForSequenceClassification(settings)
    model.transformer.load_state_dict(pretrained(60).transformer.state_dict())
    return model


def _adapt(writer: SummaryWriter, **more: Any) -> None:
    settings: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": ["c_attn"]}
    model = get_peft_model(_classifier(), LoraConfig(fan_in_fan_out=True, **settings, **more))
    tokens = sentences(1000, length=12)
    data = Examples(input_ids=tokens, labels=(tokens[:, -1] - 4) // 11)
    fit(writer, model, data, learning_rate=5e-3, max_steps=100)


@patient(
    "LD603",
    "LD204",
    family="PEFT",
    source="4AI/LS-LLaMA issue 3, huggingface/peft issues 577, 1070",
)
def a_new_head_that_stays_as_it_was_drawn(writer: SummaryWriter) -> None:
    """No `task_type` and no `modules_to_save`: adapters are trained below a random head that is frozen."""
    _adapt(writer)


@patient(family="PEFT")
def a_new_head_that_is_trained(writer: SummaryWriter) -> None:
    """`modules_to_save=["score"]`."""
    _adapt(writer, modules_to_save=["score"])
