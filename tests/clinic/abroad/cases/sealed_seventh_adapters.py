"""The seventh lot: PEFT."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from peft import LoraConfig, TaskType, get_peft_model
from torch.optim import AdamW
from transformers import LlamaConfig, LlamaForCausalLM

from tb_lossdiag import SummaryWriter


def _language_model(steps: int = 120) -> LlamaForCausalLM:
    """That knows the small language."""
    config = LlamaConfig(
        vocab_size=SIZE, hidden_size=48, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    rows, optimizer = sentences(400, 14), AdamW(model.parameters(), lr=3e-3)
    for batch in torch.randint(400, (steps, 16)):
        optimizer.zero_grad()
        model(input_ids=rows[batch], labels=rows[batch]).loss.backward()
        optimizer.step()
    return model


def _tuned(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss on new sentences that are read from their ends."""
    config = LoraConfig(
        r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "up_proj", "down_proj"],
        task_type=TaskType.CAUSAL_LM,
    )  # fmt: skip
    model = get_peft_model(_language_model(), config)
    optimizer = AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    writer.watch(model, optimizer)
    rows = sentences(500, 14, seed=2).flip(1)
    model.train()
    for step, batch in enumerate(torch.randint(500, (200, 16))):
        loss = model(input_ids=rows[batch], labels=rows[batch]).loss
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if fixed:
            optimizer.zero_grad()
    new = sentences(100, 14, seed=8).flip(1)
    model.eval()
    with torch.no_grad():
        return float(model(input_ids=new, labels=new).loss)


@patient(
    "LD606",
    also=("LD102", "LD103", "LD105", "LD111"),
    family="PEFT",
    source="https://github.com/tenstorrent/tt-blacksmith/pull/711",
)
def seventh_adapters_that_are_never_reset(writer: SummaryWriter) -> None:
    """A loop for LoRA, `loss.backward()`, `optimizer.step()` and so on: `zero_grad` was left out."""
    _tuned(writer)
