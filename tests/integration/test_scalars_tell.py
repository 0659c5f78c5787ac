"""Ordinary scalars of a validation tell when the model is evaluated, so that a check-up can see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import EVALUATED_TRAINING

Log = Callable[[SummaryWriter, int], None]


def looks(folder: Path, log: Log) -> list[int]:
    """Steps of the check-ups that saw an evaluation, every 20 steps, which is logged so."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with SummaryWriter(str(folder)) as writer:
        writer.watch(model, optimizer)
        for step in range(125):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            if step % 20 == 19:
                with torch.no_grad():
                    model(torch.randn(8, 4))
                log(writer, step)
    run = read(folder)
    return run[EVALUATED_TRAINING].steps.tolist() if EVALUATED_TRAINING in run else []


def _alone(writer: SummaryWriter, step: int) -> None:
    writer.add_scalar("val/loss", 1.0, step)
    writer.add_scalar("val/accuracy", 1.0, step)


def _pair(writer: SummaryWriter, step: int) -> None:
    writer.add_scalars("loss", {"train": 1.0, "val": 1.0}, step)


def _training(writer: SummaryWriter, step: int) -> None:
    writer.add_scalar("value_loss", 1.0, step)


@pytest.mark.parametrize(
    ("log", "seen"), [(_alone, [60, 80, 120]), (_pair, [60, 80, 120]), (_training, [])]
)
def test_evaluations_are_seen_where_they_are_logged(
    tmp_path: Path, log: Log, seen: list[int]
) -> None:
    assert looks(tmp_path, log) == seen
