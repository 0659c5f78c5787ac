"""Targets of real sequence models: the next token, the same, two ahead; and models whose answer may be in the question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.quantities import CALL_ALIGNED, CALL_TARGET_AHEAD
from tb_lossdiag.rules.loss_use.targets_misaligned import TargetsMisaligned
from tb_lossdiag.run import Run

VOCABULARY, TIME = 40, 24
Losses = Callable[[nn.Module, Tensor], Tensor]


class Recurrent(nn.Module):
    """Tokens in, a score for each token of the vocabulary out."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, 16)
        self.cells = nn.GRU(16, 16, batch_first=True)
        self.head = nn.Linear(16, VOCABULARY)

    def forward(self, tokens: Tensor, source: Tensor | None = None) -> Tensor:
        vectors = self.table(tokens)
        if source is not None:
            vectors = vectors + self.table(source).mean(1, keepdim=True)
        scores: Tensor = self.head(self.cells(vectors)[0])
        return scores


def loss_of(scores: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of every place."""
    return cross_entropy(scores.flatten(0, 1), target.flatten())


def next_token(model: nn.Module, data: Tensor) -> Tensor:
    """As it should be."""
    return loss_of(model(data[:, :-2]), data[:, 1:-1])


def next_token_inside(model: nn.Module, data: Tensor) -> Tensor:
    """The scores are shifted, not the labels that the model is given."""
    return loss_of(model(data)[:, :-1], data[:, 1:])


def same_token(model: nn.Module, data: Tensor) -> Tensor:
    """The labels were not shifted."""
    return loss_of(model(data), data)


def shifted_twice(model: nn.Module, data: Tensor) -> Tensor:
    """The loader has shifted, and so does the loss."""
    return loss_of(model(data[:, :-2]), data[:, 2:])


def masked(model: nn.Module, data: Tensor) -> Tensor:
    """A masked language model: only masked places count, a tenth of them shows the token."""
    chosen = torch.rand(data.shape) < 0.3
    hidden = torch.where(chosen & (torch.rand(data.shape) < 0.9), 0, data)
    return loss_of(model(hidden), torch.where(chosen, data, -100))


def repeated_source(model: nn.Module, data: Tensor) -> Tensor:
    """An autoencoder: the target is the source, which the decoder is given beside its own shifted tokens."""
    begun = torch.cat([torch.ones_like(data[:, :1]), data[:, :-1]], 1)
    return loss_of(model(begun, data), data)


def tagged(model: nn.Module, data: Tensor) -> Tensor:
    """Each token has a class of its own kind."""
    return loss_of(model(data), data % 7)


def recorded(folder: Path, loss: Losses, steps: int = 12) -> Run:
    """A short training with this loss."""
    torch.manual_seed(0)
    model: Any = Recurrent()
    optimizer = torch.optim.Adam(model.parameters())
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer)
        for _ in range(steps):
            optimizer.zero_grad()
            value = loss(model, torch.randint(1, VOCABULARY, (8, TIME)))
            value.backward()
            writer.add_diagnostics(loss=value)
            optimizer.step()
    return read(folder)


@pytest.mark.parametrize(
    ("loss", "ahead"),
    [
        (next_token, 1),
        (next_token_inside, 1),
        (same_token, 0),
        (shifted_twice, 2),
        (masked, -1),
        (tagged, -1),
        (repeated_source, 1),  # to the decoder it is the next token
    ],
)
def test_places_are_counted(tmp_path: Path, loss: Losses, ahead: int) -> None:
    run = recorded(tmp_path, loss)
    assert set(run[CALL_TARGET_AHEAD].values[:, 0].tolist()) == {ahead}
    assert diagnose(run, [TargetsMisaligned()]).causes == () or ahead in {0, 2}
    assert bool(diagnose(run, [TargetsMisaligned()]).causes) is (ahead in {0, 2})


def translated(model: nn.Module, data: Tensor) -> Tensor:
    """Two sequences of which the target repeats the first: that may be the task."""
    return loss_of(model(data, data.flip(1)), data)


def test_two_sequences_are_no_question(tmp_path: Path) -> None:
    assert CALL_ALIGNED not in recorded(tmp_path, translated)


@pytest.mark.parametrize("labels", [0, 1])
def test_a_transformers_model_shifts_by_itself(tmp_path: Path, labels: int) -> None:
    """Labels are the tokens themselves; shifted by the user as well, they lie two ahead."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=TIME, n_embd=16, n_layer=1, n_head=2
    )
    model = transformers.GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters())
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for _ in range(10):
            data = torch.randint(VOCABULARY, (8, TIME + 1))
            tokens, target = data[:, :-1], data[:, labels : labels + TIME]
            optimizer.zero_grad()
            model(input_ids=tokens, labels=target).loss.backward()
            optimizer.step()
    assert set(read(tmp_path)[CALL_TARGET_AHEAD].values[:, 0].tolist()) == {1 + labels}
