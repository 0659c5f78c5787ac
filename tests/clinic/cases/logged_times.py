"""Loops of which there is a log and nothing else, with the time that a step takes as TRL and verl write it, or their throughput as torchtune does."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from clinic.case import case
from clinic.data import flat_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter

Say = Callable[[float], dict[str, float]]
_QUICK = ("LD811.min_seconds=1",)


def _logged(writer: SummaryWriter, waits: Callable[[int], int], say: Say) -> None:
    """A classifier whose loop waits for so many numbers to be taken, and logs how long that lasted."""
    model = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    optimizer = SGD(model.parameters(), lr=0.05)
    for step, (x, y) in enumerate(flat_digits()[0].batches(200, 64)):
        began = time.perf_counter()
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        time.sleep(3e-4 * waits(step))
        told = {"train/loss": loss.item(), **say(time.perf_counter() - began)}
        for tag, value in told.items():
            writer.add_scalar(tag, value, step)


def _as_trl(seconds: float) -> dict[str, float]:
    return {"train/step_time": seconds}


def _as_torchtune(seconds: float) -> dict[str, float]:
    return {"tokens_per_second_per_gpu": 64 * 64 / seconds}


@case("LD811", family="MLP", hint=True, thresholds=_QUICK, source="package rlprobe 0.1.0")
def a_log_of_a_loop_that_sends_all_losses_so_far(writer: SummaryWriter) -> None:
    """A service far away is sent all losses again and again; the log has the time of a step."""
    _logged(writer, lambda step: step, _as_trl)


@case("LD811", family="MLP", hint=True, thresholds=_QUICK, source="package rlprobe 0.1.0")
def a_log_of_a_loop_that_gets_through_less_and_less(writer: SummaryWriter) -> None:
    """The same, where the log has tokens a second and no times."""
    _logged(writer, lambda step: step, _as_torchtune)


@case(family="MLP", thresholds=_QUICK)
def a_log_of_a_loop_that_sends_the_newest_losses(writer: SummaryWriter) -> None:
    _logged(writer, lambda step: min(step, 20), _as_trl)


@case(family="MLP", thresholds=_QUICK)
def a_log_of_a_loop_that_counts_its_seconds(writer: SummaryWriter) -> None:
    """What it calls the time of a step is the time since it began."""
    spent = 0.0

    def so_far(seconds: float) -> dict[str, float]:
        nonlocal spent
        spent += seconds
        return {"train/step_time": spent}

    _logged(writer, lambda _: 20, so_far)


class _Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows, self.cell, self.head = (
            nn.Embedding(12, 32),
            nn.GRU(32, 32, batch_first=True),
            nn.Linear(32, 12),
        )

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.cell(self.rows(x))[0])
        return scores


@case(family="recurrent", thresholds=_QUICK, source="arXiv 1506.03099, a curriculum by length")
def a_log_of_sequences_that_get_longer(writer: SummaryWriter) -> None:
    """Each step takes as long as its sequences are, and they grow to six times what they were."""
    model = _Reader()
    optimizer = Adam(model.parameters(), lr=3e-3)
    for step in range(240):
        length = 16 + step // 3
        start, stride = torch.randint(12, (32, 1)), torch.randint(1, 4, (32, 1))
        x = (start + stride * torch.arange(length + 1)) % 12
        began = time.perf_counter()
        loss = cross_entropy(model(x[:, :-1]).transpose(1, 2), x[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        told = {"train/loss": loss.item(), **_as_trl(time.perf_counter() - began)}
        for tag, value in {**told, "train/seq_len": float(length)}.items():
            writer.add_scalar(tag, value, step)
