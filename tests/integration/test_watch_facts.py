"""What `watch` and `add_diagnostics` tell besides norms: paths of terms, foreign tensors, a scale that no step follows."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from training import read

from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import (
    AMP_SCALE,
    FOREIGN_PARAMETERS,
    HELD_PARAMETERS,
    LOSS_TERM_ATTACHED,
)


def test_terms_say_whether_they_have_a_path(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for step in range(4):
            left, right = model(torch.ones(1, 3)).square()[0]
            left.backward()
            optimizer.step()
            terms = {"left": (left, 1.0), "right": right.detach(), "number": 0.5}
            writer.add_diagnostics(loss=left, loss_terms=terms, global_step=step)
            writer.add_diagnostics(loss_terms=terms, phase="validation", global_step=step)
    attached = read(tmp_path)[LOSS_TERM_ATTACHED]
    assert attached.columns == ("left", "right", "number")
    np.testing.assert_array_equal(attached.values, [[1, 0, np.nan]] * 4)


@pytest.mark.parametrize(("copied", "foreign"), [(False, 0), (True, 2)])
def test_tensors_of_another_model_are_counted(tmp_path: Path, copied: bool, foreign: int) -> None:
    model = nn.Linear(3, 2)
    held = copy.deepcopy(model) if copied else model
    optimizer = torch.optim.SGD(held.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for step in range(50):
            model(torch.ones(1, 3)).sum().backward()
            optimizer.step()
            if step == 30:
                optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))]})
    run = read(tmp_path)
    assert run[FOREIGN_PARAMETERS].values[:, 0].tolist() == [foreign, foreign + 1]
    assert run[HELD_PARAMETERS].values[:, 0].tolist() == [2, 3]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_scale_is_known_while_every_step_is_skipped(tmp_path: Path, enabled: bool) -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=enabled)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer, scaler=scaler)
        for step in range(5):
            loss = (model(torch.ones(1, 3)) * torch.inf).sum()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            writer.add_diagnostics(loss=1.0, global_step=step)
    run = read(tmp_path)
    if enabled:
        assert run[AMP_SCALE].values[:, 0].tolist() == [512, 256, 128, 64, 32]
    else:
        assert AMP_SCALE not in run
