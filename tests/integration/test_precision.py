"""Mixed precision that goes wrong, for real on a CPU: what is recorded of it lets the rules find it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers.rule_asserts import findings_if_any
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.rule import Rule, Severity
from tb_lossdiag.quantities import AMP_SCALE, AMP_SKIPPED, LOSS
from tb_lossdiag.rules.machine.amp_step_skips import AmpStepSkips
from tb_lossdiag.rules.machine.gradient_underflow import GradientUnderflow
from tb_lossdiag.rules.machine.loss_scale_collapse import LossScaleCollapse
from tb_lossdiag.run import Run

RULES: tuple[Rule, ...] = (AmpStepSkips(), LossScaleCollapse(), GradientUnderflow())


def train(
    folder: Path,
    scaler: torch.amp.GradScaler | None,
    inflate: Callable[[int], float] = lambda _: 1.0,
    shrink: float = 1.0,
) -> Run:
    """A small network under float16 autocast; gradients may be inflated by step, or all shrunk."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 3))
    if scaler is None:
        model.half()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer, scaler=scaler)
        for step in range(170):
            x = torch.randn(8, 6, dtype=torch.float16 if scaler is None else torch.float32)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.float16, enabled=scaler is not None):
                loss = shrink * inflate(step) * cross_entropy(model(x), (x[:, 0] > 0).long())
            _step(loss, optimizer, scaler)
            writer.add_diagnostics(loss=loss.detach() / inflate(step), global_step=step)
    return read(folder)


def _step(
    loss: Tensor, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler | None
) -> None:
    if scaler is None:
        loss.backward()
        optimizer.step()
        return
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()


def scaler(growth_interval: int) -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", init_scale=2.0**15, growth_interval=growth_interval)


def codes(run: Run) -> set[str]:
    return {finding.code for rule in RULES for finding in findings_if_any(rule, run)}


def test_a_scaler_at_rest_is_sound(tmp_path: Path) -> None:
    run = train(tmp_path, scaler(2000))
    assert np.nansum(run[AMP_SKIPPED].values) == 0
    assert codes(run) == set()


def test_a_scale_that_grows_too_fast_skips_steps(tmp_path: Path) -> None:
    run = train(tmp_path, scaler(5))
    assert np.nansum(run[AMP_SKIPPED].values) > 10
    assert codes(run) == {"LD801"}


def test_gradients_that_explode_take_the_scale_down(tmp_path: Path) -> None:
    run = train(tmp_path, scaler(2000), lambda step: 2.0 ** max(0, (step - 60) // 8))
    assert run[AMP_SCALE].values[-1, 0] < 2.0**10
    assert "LD802" in codes(run)


def test_tiny_gradients_in_half_precision_underflow(tmp_path: Path) -> None:
    assert codes(train(tmp_path, None, shrink=2.0**-19)) == {"LD805"}


@pytest.mark.parametrize("named", [True, False])
def test_every_step_skipped_is_seen_although_none_is_taken(tmp_path: Path, named: bool) -> None:
    """An infinite gradient in each batch: no hook of the optimizer ever runs, only `add_diagnostics` is called."""
    model = nn.Linear(6, 3)
    optimizer, amp = torch.optim.SGD(model.parameters(), lr=0.01), scaler(2000)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer, scaler=amp)
        for step in range(60):
            loss = model(torch.randn(8, 6)).square().mean()
            optimizer.zero_grad()
            amp.scale(loss).backward()
            _first_gradient(model).fill_(float("inf"))
            amp.step(optimizer)
            amp.update()
            writer.add_diagnostics(loss=loss, **({"global_step": step} if named else {}))
    run = read(tmp_path)
    assert run[LOSS].steps.tolist() == list(range(60))
    assert run[AMP_SKIPPED].values[:, 0].tolist() == [1.0] * 60
    (finding,) = [f for rule in RULES for f in findings_if_any(rule, run)]
    assert (finding.code, finding.severity) == ("LD801", Severity.ERROR)


def test_parts_of_an_accumulated_step_are_no_skipped_ones(tmp_path: Path) -> None:
    model = nn.Linear(6, 3)
    optimizer, amp = torch.optim.SGD(model.parameters(), lr=0.01), scaler(2000)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer, scaler=amp)
        for part in range(80):
            loss = model(torch.randn(8, 6)).square().mean()
            amp.scale(loss / 4).backward()
            if part % 4 == 3:
                amp.step(optimizer)
                amp.update()
                optimizer.zero_grad()
            writer.add_diagnostics(loss=loss)
    run = read(tmp_path)
    assert np.nansum(run[AMP_SKIPPED].values) == 0
    assert run[LOSS].steps[-1] == 19
    assert codes(run) == set()


def _first_gradient(model: nn.Module) -> Tensor:
    gradient = next(model.parameters()).grad
    assert gradient is not None
    return gradient
