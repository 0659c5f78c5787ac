"""The sixth lot: PEFT, by hand and with Transformers' Trainer."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, Examples, sentences
from clinic.abroad.recipes import folder
from clinic.data import flat_digits
from peft import LoraConfig, PromptTuningConfig, TaskType, get_peft_model
from torch import Tensor, nn
from torch.optim import AdamW
from torch.utils.checkpoint import checkpoint
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from tb_lossdiag import SummaryWriter


def _language_model(steps: int = 150) -> LlamaForCausalLM:
    """That knows the small language."""
    config = LlamaConfig(
        vocab_size=SIZE, hidden_size=48, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=64, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    rows, optimizer = sentences(400, 14), AdamW(model.parameters(), lr=3e-3)
    for batch in torch.randint(400, (steps, 16)):
        optimizer.zero_grad()
        model(input_ids=rows[batch], labels=rows[batch]).loss.backward()
        optimizer.step()
    return model


def _backwards(count: int, seed: int) -> Tensor:
    """Sentences that are read from their ends."""
    return sentences(count, 14, seed=seed).flip(1)


def _loss(model: nn.Module, rows: Tensor) -> float:
    model.eval()
    with torch.no_grad():
        return float(model(input_ids=rows, labels=rows).loss)


class _Blocks(nn.Module):
    """Residual blocks that are computed anew in backward, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(64, 48)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(48), nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48))
            for _ in range(3)
        )
        self.head = nn.Linear(48, 10)
        self.checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for block in self.blocks:
            inner = checkpoint(block, x, use_reentrant=True) if self.checkpointing else block(x)
            x = x + inner
        logits: Tensor = self.head(x)
        return logits


def _steps(model: nn.Module, x: Tensor, y: Tensor, lr: float, writer: SummaryWriter | None) -> None:
    optimizer = AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    if writer is not None:
        writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(len(y), (200, 32))):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        if writer is not None:
            writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


def _checkpointed(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on digits whose pixels are in another order than those the model had learnt."""
    data, held_out = flat_digits()
    model = _Blocks()
    _steps(model, data.x, data.y, 3e-3, None)
    config = LoraConfig(r=4, target_modules=r"blocks\..*\.(1|3)", modules_to_save=["head"])
    adapted = get_peft_model(model, config)
    model.checkpointing = True
    if fixed:
        model.embed.register_forward_hook(lambda _module, _in, out: out.requires_grad_())
    order = torch.randperm(64)
    _steps(adapted, data.x[:, order], data.y, 5e-3, writer)
    with torch.no_grad():
        return float((adapted(held_out.x[:, order]).argmax(1) == held_out.y).float().mean())


@patient(
    "LD204",
    family="adapters",
    also=(
        "LD205",
        "LD104",
        "LD109",
    ),
    source="https://github.com/cloneofsimo/lora/issues/26, https://github.com/locuslab/open-unlearning/issues/178",
)
def sixth_adapters_behind_a_checkpoint(writer: SummaryWriter) -> None:
    """Re-entrant gradient checkpointing of frozen blocks whose input asks for no gradient: no adapter gets one, the head alone learns."""
    _checkpointed(writer)


def _prompted(writer: SummaryWriter) -> float:
    """By how much eight virtual tokens lower the loss on sentences that are read backwards."""
    from tb_lossdiag.integrations.transformers import LossDoctor  # noqa: PLC0415

    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=8)
    model = get_peft_model(_language_model(), config)
    rows, place = _backwards(400, 1), folder(writer)
    before = _loss(model, rows)
    arguments = TrainingArguments(
        output_dir=place, max_steps=150, per_device_train_batch_size=16, learning_rate=5e-2,
        report_to="none", use_cpu=True, save_strategy="no", logging_steps=25, disable_tqdm=True,
    )  # fmt: skip
    data = Examples(input_ids=rows, labels=rows)
    Trainer(model, arguments, train_dataset=data, callbacks=[LossDoctor(place)]).train()
    return before - _loss(model, rows)


@patient(family="adapters", source="https://arxiv.org/abs/2104.08691")
def sixth_eight_words_before_all_others(writer: SummaryWriter) -> None:
    """Prompt tuning: all of the model is frozen, but for the embeddings of eight virtual tokens; they learn fast."""
    _prompted(writer)
