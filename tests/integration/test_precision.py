"""Mixed precision that goes wrong, for real on a CPU: what is recorded of it lets the rules find it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers.rule_asserts import findings_if_any
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.quantities import AMP_SCALE, AMP_SKIPPED
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
