"""No step waits for its device: what is on it stays there until a hand-over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.buffers.outlet import Outlet

STEPS = 45
Around = Callable[[SummaryWriter, nn.Module, torch.Tensor, int], None]


def nothing(writer: SummaryWriter, net: nn.Module, loss: torch.Tensor, step: int) -> None:
    pass


def loss_alone(writer: SummaryWriter, net: nn.Module, loss: torch.Tensor, step: int) -> None:
    writer.add_diagnostics(loss=loss, global_step=step)


def terms(writer: SummaryWriter, net: nn.Module, loss: torch.Tensor, step: int) -> None:
    writer.add_diagnostics(loss=loss, loss_terms={"a": loss.detach(), "b": (loss, 0.5)})


def clipped(writer: SummaryWriter, net: nn.Module, loss: torch.Tensor, step: int) -> None:
    writer.clip_grad_norm_(net.parameters(), 1.0)


WATCHED: dict[str, dict[str, Any]] = {
    "": {"check_up": False},
    "some": {"check_up": False, "every": 7},
    "judged live": {"check_up": False, "on_finding": lambda _: None},
    "scaler off": {"check_up": False, "scaler": torch.amp.GradScaler("cpu", enabled=False)},
    "examined": {"probes": False},
}
"""How it is watched."""


def train(
    writer: SummaryWriter, device: str, around: Around, begin: int, end: int, how: str = ""
) -> None:
    """Some steps on a device."""
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(6, 6) for _ in range(10))).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    data = torch.ones(4, 6, device=device)
    writer.watch(net, optimizer, **WATCHED[how])
    for step in range(begin, end):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(data), data)
        loss.backward()
        around(writer, net, loss, step)
        optimizer.step()


@pytest.fixture
def nothing_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand-overs are where waiting is allowed."""
    monkeypatch.setattr(Outlet, "if_due", lambda *_, **__: None)


@pytest.mark.usefixtures("nothing_handed_over")
@pytest.mark.parametrize("how", WATCHED)
@pytest.mark.parametrize("around", [nothing, loss_alone, terms, clipped])
def test_a_step_asks_for_no_value(
    tmp_path: Path, around: Around, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device without values, whatever asks for one fails."""
    said: dict[str, Any] = {}
    with SummaryWriter(tmp_path) as writer:
        monkeypatch.setattr(writer._diagnostics.guarded, "_say", said.update)
        train(writer, "meta", around, 0, STEPS, how)
        rows = writer._diagnostics.host.outlet.rows[0]
        every: int = WATCHED[how].get("every", 1)
        assert len(rows) == -(-STEPS // every)
        assert not said
        examined = writer._diagnostics.host.rounds.count
        assert examined == (7 if how == "examined" else 0)
        rows.reset(rows.columns)
        writer._diagnostics.host.outlet.waiting.drop()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="counts what waits for a CUDA device")
@pytest.mark.usefixtures("nothing_handed_over")
@pytest.mark.parametrize("how", [how for how in WATCHED if how != "examined"])
@pytest.mark.parametrize("around", [nothing, loss_alone, terms, clipped])
def test_no_step_synchronises_a_gpu(tmp_path: Path, around: Around, how: str) -> None:
    with SummaryWriter(tmp_path) as writer:
        train(writer, "cuda", around, 0, 3, how)  # what is allocated first may wait

        def strictly(*given: Any) -> None:
            torch.cuda.set_sync_debug_mode("error")
            around(*given)

        try:
            train(writer, "cuda", strictly, 3, STEPS, how)
        finally:
            torch.cuda.set_sync_debug_mode("default")
