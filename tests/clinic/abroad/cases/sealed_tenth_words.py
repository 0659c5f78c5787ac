"""The tenth lot: attention, adapters and language models."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from clinic.abroad import sealed
from clinic.abroad.cases.adapters import pretrained
from clinic.abroad.cases.language import gpt2
from clinic.abroad.cases.sealed_tenth import take_step
from clinic.abroad.corpora import SIZE, Examples, padded, sentences
from clinic.abroad.recipes import for_trainer
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import Adam, AdamW
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from tb_lossdiag import SummaryWriter


class _Layer(nn.Module):
    """Attention under a mask, and what follows it."""

    def __init__(self, width: int = 48, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ffn = nn.Sequential(nn.Linear(width, 96), nn.ReLU(), nn.Linear(96, width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        rows, length, width = x.shape
        parts = self.qkv(x).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        score = parts[0] @ parts[1].transpose(2, 3) / (width / self.heads) ** 0.5
        weights = score.masked_fill(mask == 0, -10000).softmax(-1)
        x = self.norm1(x + self.out((weights @ parts[2]).transpose(1, 2).flatten(2)))
        told: Tensor = self.norm2(x + self.ffn(x))
        return told


class _Encoder(nn.Module):
    """Two layers, and what a sentence's first place says."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed
        self.words, self.places = nn.Embedding(SIZE, 48), nn.Embedding(64, 48)
        self.layers = nn.ModuleList(_Layer() for _ in range(2))
        self.head = nn.Linear(48, 2)

    def forward(self, ids: Tensor) -> Tensor:
        mask = (ids != 0)[:, None]
        mask = mask.unsqueeze(2) if self.fixed else mask.unsqueeze(3)
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        for layer in self.layers:
            x = layer(x, mask)
        logits: Tensor = self.head(x[:, 0])
        return logits


def _reviews(count: int, length: int, seed: int) -> tuple[Tensor, Tensor]:
    """Short sentences padded to a length, and whether most of their words are from the upper half."""
    ids, mask = padded(sentences(count, 24, seed=seed), seed)
    high = ((ids >= 26) & (mask == 1)).sum(1) * 2 > mask.sum(1)
    return F.pad(ids, (0, length - 24)), high.long()


def _sentiment(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on new sentences, which are padded to the model's 64 places."""
    ids, y = _reviews(2000, 24, 1)
    model = _Encoder(fixed=fixed)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        rows = torch.randint(2000, (32,))
        length = int((ids[rows] != 0).sum(1).max())
        take_step(writer, optimizer, F.cross_entropy(model(ids[rows, :length]), y[rows]), step)
    ids, y = _reviews(400, 64, 2)
    with torch.no_grad():
        return float((model(ids).argmax(1) == y).float().mean())


@sealed(
    NO_CODE,
    also=("LD718", "LD711", "LD626"),
    family="attention",
    source="https://github.com/hyunwoongko/transformer/pull/40",
    hard=True,
)
def tenth_a_mask_over_the_askers(writer: SummaryWriter) -> None:
    """The mask of padding has the shape of queries, not of keys: words look at all the padding, however much there is."""
    _sentiment(writer)


class _Speaker(nn.Module):
    """A GRU that predicts the next token; those below nought, which are images or nothing, have no embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.rnn = nn.Embedding(SIZE, 48), nn.GRU(48, 96, batch_first=True)
        self.head = nn.Linear(96, SIZE)

    def forward(self, tokens: Tensor) -> Tensor:
        there = tokens >= 0
        x = self.words(tokens * there) * there[..., None]
        logits: Tensor = self.head(self.rnn(x)[0])
        return logits


def _dialogues(count: int) -> Tensor:
    """Five words, and the same words again, each one further in the alphabet."""
    asked = torch.randint(4, SIZE - 1, (count, 5))
    return torch.cat([torch.ones(count, 1).long(), asked, torch.full((count, 1), 3), asked + 1], 1)


def _answers(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of words of new answers that are right, each after the right ones before it."""
    dialogues = _dialogues(4000)
    model = _Speaker()
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step in range(450):
        tokens = dialogues[torch.randint(4000, (64,))]
        labels = tokens[:, 1:].clone() if fixed else tokens[:, 1:]
        labels[:, :6] = -100
        loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), labels.flatten())
        take_step(writer, optimizer, loss, step)
    new = _dialogues(200)
    with torch.no_grad():
        told = model(new[:, :-1])[:, 6:].argmax(-1)
    return float((told == new[:, 7:]).float().mean())


@sealed(
    NO_CODE,
    also=("LD740", "LD104", "LD517"),
    family="language",
    source="https://github.com/ServiceNow/Fast-LLM/pull/253",
    hard=True,
)
def tenth_labels_that_are_the_tokens(writer: SummaryWriter) -> None:
    """Labels are a view of the tokens: where the question is struck out of the labels, the model does not see it either."""
    _answers(writer)


class DoRALayer(nn.Module):
    """A frozen linear layer, a magnitude for each column and a direction that is learnt."""

    def __init__(self, layer: Any, rank: int = 4, *, fixed: bool) -> None:
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(p.data.clone(), requires_grad=False) for p in (layer.weight.T, layer.bias)
        )
        self.m = nn.Parameter(self.weight.norm(p=2, dim=0, keepdim=True))
        first = (
            torch.randn(len(self.weight), rank) / rank**0.5
            if fixed
            else torch.zeros(len(self.weight), rank)
        )
        self.lora_A = nn.Parameter(first)
        self.lora_B = nn.Parameter(torch.zeros(rank, self.weight.shape[1]))

    def forward(self, x: Tensor) -> Tensor:
        adapted = self.weight + self.lora_A @ self.lora_B
        return F.linear(x, self.m * adapted / adapted.norm(p=2, dim=0, keepdim=True), self.bias)


def _dora(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss on new sentences of a language whose words have changed places."""
    model = pretrained(150).requires_grad_(requires_grad=False)
    for block in model.transformer.h:
        block.attn.c_attn = DoRALayer(block.attn.c_attn, fixed=fixed)
        block.mlp.c_fc = DoRALayer(block.mlp.c_fc, fixed=fixed)
        block.mlp.c_proj = DoRALayer(block.mlp.c_proj, fixed=fixed)
    swapped = torch.arange(SIZE)
    swapped[4:34] = swapped[4:34].flip(0)
    ids, new = swapped[sentences(1500, seed=2)], swapped[sentences(200, seed=9)]
    optimizer = AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    writer.watch(model, optimizer)
    for step in range(200):
        batch = ids[torch.randint(1500, (16,))]
        take_step(writer, optimizer, model(input_ids=batch, labels=batch).loss, step)
    with torch.no_grad():
        return float(model(input_ids=new, labels=new).loss)


@sealed(
    "LD205",
    "LD722",
    also=("LD104", "LD726", "LD602"),
    family="adapters",
    source="https://github.com/catid/dora/pull/1",
)
def tenth_adapters_that_are_zero_twice(writer: SummaryWriter) -> None:
    """Both matrices of the adapter begin as zeros, so neither ever gets a gradient; magnitudes alone are trained."""
    _dora(writer)


class _TimeLimit(TrainerCallback):  # type: ignore[misc]
    """The platform ends every job after 150 steps."""

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Stop when time is up."""
        control.should_training_stop = state.global_step in (150, 200)


def _tuned(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Mean loss of the first fifty steps of the second session."""
    ids = sentences(2000, seed=4)
    data, logs = Examples(input_ids=ids, labels=ids), []
    with tempfile.TemporaryDirectory() as out:
        settings = TrainingArguments(
            out, max_steps=200, save_steps=150, per_device_train_batch_size=16, learning_rate=2e-2,
            lr_scheduler_type="cosine", warmup_steps=10, logging_steps=1, report_to="none",
            use_cpu=True, disable_tqdm=True, seed=torch.initial_seed(),
        )  # fmt: skip
        model = gpt2()
        for session in (0, 1):
            if session:
                model = type(model).from_pretrained(str(Path(out) / "checkpoint-150"))
            callbacks = [*for_trainer(writer), _TimeLimit()]
            trainer = Trainer(model, settings, train_dataset=data, callbacks=callbacks)
            trainer.remove_callback(PrinterCallback)
            trainer.train(resume_from_checkpoint=bool(session and fixed))
            logs = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return float(sum(logs[150:200] if fixed else logs[:50]) / 50)


@sealed(
    "LD619",
    "LD113",
    "LD625",
    "LD607",
    also=("LD613", "LD810", "LD103", "LD601"),
    family="resumed",
    source="https://github.com/hiyouga/LlamaFactory/issues/512",
)
def tenth_a_checkpoint_that_was_a_model_alone(writer: SummaryWriter) -> None:
    """The second session loads the checkpoint's weights and calls `train()` without `resume_from_checkpoint`: optimizer and schedule begin anew."""
    _tuned(writer)
