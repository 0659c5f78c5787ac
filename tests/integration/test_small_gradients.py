"""Gradients whose squares are below what single precision holds: small is told from exactly zero."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers.rule_asserts import findings_if_any
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.state import small_norms
from tb_lossdiag.collect.watch.step_gradients import StepGradients
from tb_lossdiag.quantities import GRADIENT_NORM
from tb_lossdiag.rules.gradients.zero_gradient import ZeroGradient
from tb_lossdiag.run import Run

SLOPES = {"small": 1e-30, "zero": 0.0, "denormal": 1e-44, "plain": 3.0}
SIZE = 4
EXPECTED = [2e-30, 0.0, 2e-44, 6.0]


class Slopes(nn.Module):
    """Parameters of known gradients, the same for each element."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        for name in SLOPES:
            self.register_parameter(name, nn.Parameter(torch.zeros(2, SIZE // 2, dtype=dtype)))
        self.slopes = dict(SLOPES)

    def forward(self) -> torch.Tensor:
        parts = [(p * self.slopes[name]).sum() for name, p in self.named_parameters()]
        return torch.stack(parts).sum()


def watched(folder: Path, steps: int, act: Callable[[int, Slopes], None] | None = None) -> Run:
    net = Slopes()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    with SummaryWriter(folder) as writer:
        writer.watch(net, optimizer, check_up=False)
        for step in range(steps):
            if act is not None:
                act(step, net)
            optimizer.zero_grad()
            net().backward()
            optimizer.step()
    return read(folder)


def norms(run: Run, row: int = -1) -> list[float]:
    assert run[GRADIENT_NORM].columns == tuple(SLOPES)
    return [float(value) for value in run[GRADIENT_NORM].values[row]]


def same(found: list[float], expected: list[float] = EXPECTED) -> bool:
    """As far as the denormal's few bits go."""
    return found == pytest.approx(expected, rel=1e-4, abs=2e-45)


def test_every_watched_step_tells_small_from_zero(tmp_path: Path) -> None:
    run = watched(tmp_path, 40)
    assert all(same(norms(run, row)) for row in range(len(run[GRADIENT_NORM])))


def test_the_rule_names_the_zero_alone(tmp_path: Path) -> None:
    (finding,) = findings_if_any(ZeroGradient(), watched(tmp_path, 40))
    assert {piece.column for piece in finding.evidence} == {"zero"}


def test_a_call_tells_small_from_zero(tmp_path: Path) -> None:
    net = Slopes()
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            net.zero_grad()
            net().backward()
            writer.add_diagnostics(net, global_step=step)
    assert all(same(norms(read(tmp_path), row)) for row in range(3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_of_any_precision(tmp_path: Path, dtype: torch.dtype) -> None:
    net = Slopes(dtype)
    with SummaryWriter(tmp_path) as writer:
        net().backward()
        writer.add_diagnostics(net, global_step=0)
    small, zero, denormal, plain = norms(read(tmp_path))
    assert small == pytest.approx(2e-30, rel=1e-2)
    assert (zero, plain) == (0, 6)
    assert denormal >= 0


@pytest.mark.parametrize("watch", [True, False])
def test_before_a_clip_that_shrinks_all_of_them(tmp_path: Path, watch: bool) -> None:
    net = Slopes()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    with SummaryWriter(tmp_path) as writer:
        if watch:
            writer.watch(net, optimizer, check_up=False)
        for step in range(4):
            optimizer.zero_grad()
            net().backward()
            writer.clip_grad_norm_(net.parameters(), 0.6)  # a tenth of what it is
            writer.add_diagnostics(net, global_step=step)
            optimizer.step()
    small, zero, denormal, plain = norms(read(tmp_path))
    assert (small, plain) == pytest.approx((2e-30, 6.0), rel=1e-4)
    assert zero == 0
    assert denormal > 0


@pytest.mark.parametrize("watch", [True, False])
def test_under_a_loss_scale(tmp_path: Path, watch: bool) -> None:
    net = Slopes()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with SummaryWriter(tmp_path) as writer:
        if watch:
            writer.watch(net, optimizer, scaler=scaler, check_up=False)
        for step in range(4):
            optimizer.zero_grad()
            scaler.scale(net()).backward()
            writer.add_diagnostics(net, scaler=scaler, global_step=step)
            scaler.step(optimizer)
            scaler.update()
    small, zero, denormal, plain = norms(read(tmp_path))
    assert (small, plain) == pytest.approx((2e-30, 6.0), rel=1e-4)
    assert zero == 0
    assert denormal > 0


def test_a_zero_is_looked_at_again_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    real = small_norms.scaled_norms

    def counted(tensors: list[torch.Tensor]) -> torch.Tensor:
        looked.append(len(tensors))
        return real(tensors)

    monkeypatch.setattr("tb_lossdiag.collect.watch.gradient_norms.scaled_norms", counted)

    def late(step: int, net: Slopes) -> None:
        net.slopes = dict.fromkeys(SLOPES, 1.0) | {"zero": 0.0 if step < 100 else 1e-30}

    run = watched(tmp_path, 200, late)
    assert norms(run)[1] == pytest.approx(2e-30)
    assert sum(looked[:3]) == 3  # one parameter at a time
    zeros = run[GRADIENT_NORM].column("zero")[:100]
    assert (zeros == 0).all()
    assert len(looked) < 100 + 10


def test_values_that_wait_on_their_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are known when they have come over, many steps at once; from then on what came out small is measured scaled."""
    monkeypatch.setattr(StepGradients, "_at_hand", lambda *_: False)
    run = watched(tmp_path, 300)
    assert same(norms(run))
    assert (run[GRADIENT_NORM].column("zero") == 0).all()
    small = run[GRADIENT_NORM].column("small")
    assert (small[run[GRADIENT_NORM].steps > 130] > 0).all()
    assert np.isfinite(small).all()
