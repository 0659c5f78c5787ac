"""What `watch` and `add_diagnostics` tell besides norms: paths of terms, foreign tensors, a scale that no step follows."""

from __future__ import annotations

import copy
import gc
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import (
    AMP_SCALE,
    FOREIGN_PARAMETERS,
    GRADIENT_NORM,
    GRADIENT_ZERO_SHARE,
    HELD_PARAMETERS,
    LOSS_TERM_ATTACHED,
    MOVED_BY_ANOTHER,
    OWN_SECONDS,
    STEP_SECONDS,
    STEPS,
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


def test_the_optimizer_is_known_though_the_function_that_trained_has_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said of it waits for the first hand-over, and a quick training is over by then."""
    monkeypatch.setattr("tb_lossdiag.collect.buffers.outlet._LONGEST", 600.0)

    def train(writer: SummaryWriter) -> None:
        model = nn.Linear(3, 2)
        optimizer = torch.optim.Adam(model.parameters())
        writer.watch(model, optimizer)
        for _ in range(40):
            loss = model(torch.ones(1, 3)).sum()
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss)

    with SummaryWriter(tmp_path) as writer:
        train(writer)
        gc.collect()
    assert read(tmp_path).facts["optimizer"] == "Adam"


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


def test_what_the_user_asks_of_the_writer_counts_as_recording(tmp_path: Path) -> None:
    model = nn.Sequential(*[nn.Linear(64, 64) for _ in range(8)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    asked = 0.0
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for step in range(60):
            output = model(torch.ones(8, 64))
            terms = {f"term{part}": output[part].square().sum() for part in range(6)}
            loss = torch.stack(list(terms.values())).sum()
            start = time.perf_counter()
            writer.decompose(terms)
            asked += time.perf_counter() - start
            loss.backward()
            optimizer.step()
            start = time.perf_counter()
            writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)
            asked += time.perf_counter() - start
    run = read(tmp_path)
    own, whole = (
        run[q].values[:, 0] * run[STEPS].values[:, 0] for q in (OWN_SECONDS, STEP_SECONDS)
    )
    assert np.nansum(own) > 0.9 * asked
    assert (own[1:] < whole[1:]).all()


def test_a_frozen_parameter_with_an_old_gradient_has_none(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    model(torch.randn(4, 6)).sum().backward()
    for parameter in model[0].parameters():
        parameter.requires_grad = False
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.randn(4, 6)).sum().backward()
            optimizer.step()
    run = read(tmp_path)
    assert np.isnan(run[GRADIENT_NORM].values[:, :2]).all()
    assert np.isfinite(run[GRADIENT_NORM].values[:, 2:]).all()
    assert np.isnan(run[GRADIENT_ZERO_SHARE].values[:, :2]).all()


def test_gradients_written_by_hand_count_where_no_parameter_requires_one(tmp_path: Path) -> None:
    model = nn.Linear(6, 3).requires_grad_(requires_grad=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    assert np.isfinite(read(tmp_path)[GRADIENT_NORM].values).all()


@pytest.mark.parametrize(
    ("trained", "said"), [("another", True), ("none", False), ("watched", False)]
)
def test_weights_that_change_while_the_optimizer_rests_are_told(
    tmp_path: Path, trained: str, said: bool
) -> None:
    net = nn.Linear(3, 2)
    ours, theirs = (torch.optim.SGD(net.parameters(), lr=0.1) for _ in range(2))
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, ours)
        for step in range(12):
            net(torch.ones(1, 3)).sum().backward()
            writer.add_diagnostics(loss=1.0, global_step=step)
            if trained == "another":
                theirs.step()
            elif trained == "watched":
                ours.step()
    assert (MOVED_BY_ANOTHER in read(tmp_path).facts) == said
