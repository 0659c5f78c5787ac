"""The eighth lot: PEFT."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from peft import LoraConfig, get_peft_model
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from tb_lossdiag import SummaryWriter


def _pretrained() -> Any:
    """That knows the small language."""
    config = GPTNeoXConfig(
        vocab_size=SIZE, hidden_size=48, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = GPTNeoXForCausalLM(config)
    rows, optimizer = sentences(400, 14), AdamW(model.parameters(), lr=3e-3)
    for batch in torch.randint(400, (120, 16)):
        optimizer.zero_grad()
        model(input_ids=rows[batch], labels=rows[batch]).loss.backward()
        optimizer.step()
    return model


def _fine_tune(writer: SummaryWriter, model: Any, optimizer: Any, scheduler: Any = None) -> float:
    """Loss on new sentences that are read from their ends."""
    rows = sentences(500, 14, seed=2).flip(1)
    writer.watch(model, optimizer, scheduler=scheduler)
    for step, batch in enumerate(torch.randint(500, (180, 16))):
        loss = model(input_ids=rows[batch], labels=rows[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    new = sentences(100, 14, seed=8).flip(1)
    with torch.no_grad():
        return float(model(input_ids=new, labels=new).loss)


def _lora(**more: Any) -> LoraConfig:
    modules = ["query_key_value", "dense_h_to_4h", "dense_4h_to_h"]
    return LoraConfig(r=8, target_modules=modules, task_type="CAUSAL_LM", **more)


def _late(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss on new sentences."""
    model = _pretrained()
    if fixed:
        model = get_peft_model(model, _lora(lora_alpha=16))
    optimizer = AdamW(model.parameters(), lr=3e-3)
    if not fixed:
        model = get_peft_model(model, _lora(lora_alpha=16))
    return _fine_tune(writer, model, optimizer)


@patient(
    "LD603",
    "LD604",
    also=("LD605", "LD104"),
    family="PEFT",
    source="https://github.com/automl/ConfigurableOptimizer/pull/217",
)
def eighth_adapters_after_the_optimizer(writer: SummaryWriter) -> None:
    """The optimizer is made of the model's parameters, and adapters are put into it afterwards: those that it holds are frozen, the others it lacks."""
    _late(writer)


def _plus(writer: SummaryWriter) -> float:
    """Loss on new sentences."""
    model = get_peft_model(_pretrained(), _lora(lora_alpha=16, use_rslora=True, lora_dropout=0.05))
    a = [p for n, p in model.named_parameters() if "lora_A" in n]
    b = [p for n, p in model.named_parameters() if "lora_B" in n]
    optimizer = AdamW([{"params": a, "lr": 1e-3}, {"params": b, "lr": 8e-3}], weight_decay=0.0)
    scheduler = OneCycleLR(optimizer, [1e-3, 8e-3], total_steps=180, pct_start=0.1)
    model.train()
    return _fine_tune(writer, model, optimizer, scheduler)


@patient(family="PEFT")
def eighth_one_half_of_each_adapter_faster(writer: SummaryWriter) -> None:
    """LoRA+: B, which begins at nought, learns at eight times the rate of A, by one cycle, scaled by the root of the rank; a quarter of the loss is left."""
    _plus(writer)
