"""Wrappers that frameworks put around optimizers: Accelerate's, Fabric's, and those that are refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import tb_lossdiag
from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import (
    AMP_SCALE,
    CLIP_GLOBAL_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
)

STEPS = 30


def data() -> TensorDataset:
    torch.manual_seed(0)
    x = torch.randn(16 * STEPS, 20)
    return TensorDataset(x, x[:, :3].argmax(1))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))


def accelerated(writer: SummaryWriter | None) -> nn.Module:
    """Two batches per step, clipped, with a schedule, as Accelerate's documentation has it."""
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    loader = DataLoader(data(), 8)
    model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
    if writer is not None:
        writer.watch(model, optimizer, scheduler=scheduler)
    for x, y in loader:
        with accelerator.accumulate(model):
            loss = cross_entropy(model(x), y)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        if writer is not None and accelerator.sync_gradients:
            writer.add_diagnostics(loss=loss)
    return accelerator.unwrap_model(model)  # type: ignore[no-any-return]


def test_accelerate(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        watched = accelerated(writer)
    run = read(tmp_path)
    for quantity in (GLOBAL_NORM, LEARNING_RATE, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS))
    assert run.facts["optimizer"] == "AdamW"
    assert run.facts["scheduler"] == "CosineAnnealingLR"
    for ours, plain in zip(watched.parameters(), accelerated(None).parameters(), strict=True):
        assert torch.equal(ours, plain)


def test_the_scaler_that_accelerate_made_is_found(tmp_path: Path) -> None:
    wrappers = pytest.importorskip("accelerate.optimizer")
    model, scaler = net(), torch.amp.GradScaler("cpu", init_scale=512.0, growth_interval=2)
    plain = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer = wrappers.AcceleratedOptimizer(plain, device_placement=False, scaler=scaler)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for x, y in DataLoader(data(), 96):
            loss = cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            optimizer.step()
            optimizer.zero_grad()
            writer.add_diagnostics(loss=loss)
    run = read(tmp_path)
    assert run[AMP_SCALE].values[:, 0].tolist() == [512, 512, 1024, 1024, 2048]
    assert (run[GLOBAL_NORM].values < 10).all()  # unscaled


class _Stepper:
    """Holds parameters and says nothing of its steps."""

    def __init__(self, model: nn.Module) -> None:
        self.param_groups = [{"params": list(model.parameters()), "lr": 0.1}]


class _Master:
    """As DeepSpeed has it: the wrapper's optimizer holds copies, so its tensors are not the model's."""

    def __init__(self, model: nn.Module) -> None:
        copies = [nn.Parameter(p.detach().clone()) for p in model.parameters()]
        self.optimizer = torch.optim.Adam(copies)
        self.param_groups = self.optimizer.param_groups


def test_a_wrapper_around_copies_is_refused_in_words(tmp_path: Path) -> None:
    model = net()
    with SummaryWriter(tmp_path) as writer, pytest.raises(TypeError, match="_Master does not say"):
        writer.watch(model, _Master(model))


def test_fabric(tmp_path: Path) -> None:
    fabric = pytest.importorskip("lightning_fabric").Fabric(accelerator="cpu")
    model, optimizer = fabric.setup(plain := net(), torch.optim.SGD(plain.parameters(), lr=0.1))
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for x, y in DataLoader(data(), 96):
            loss = cross_entropy(model(x), y)
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=0.1)
            optimizer.step()
            optimizer.zero_grad()
            writer.add_diagnostics(loss=loss)
    run = read(tmp_path)
    assert len(run[GLOBAL_NORM]) == len(run[LOSS]) == 5
    assert run.facts["optimizer"] == "SGD"


def fabricated(folder: Path | None) -> nn.Module:
    """Fabric's loop, watched by one line."""
    fabric = pytest.importorskip("lightning_fabric").Fabric(
        accelerator="cpu", precision="bf16-mixed"
    )
    plain = net()
    model, optimizer = fabric.setup(plain, torch.optim.Adam(plain.parameters(), lr=1e-2))
    writer = None if folder is None else tb_lossdiag.watch(model, optimizer, folder)
    for number, (x, y) in enumerate(DataLoader(data(), 16)):
        with fabric.no_backward_sync(model, enabled=number % 2 == 0):
            fabric.backward(cross_entropy(model(x), y) / 2)
        if number % 2:
            fabric.clip_gradients(model, optimizer, max_norm=0.1)
            optimizer.step()
            optimizer.zero_grad()
    if writer is not None:
        writer.close()
    return plain


def test_fabric_in_one_line(tmp_path: Path) -> None:
    watched, without = fabricated(tmp_path), fabricated(None)
    for ours, theirs in zip(watched.parameters(), without.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    run = read(tmp_path)
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE, CLIP_GLOBAL_NORM):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS // 2))
    assert 0.9 < run[LOSS].values[0, 0] < 1.4


def test_an_optimizer_without_hooks_is_refused_in_words(tmp_path: Path) -> None:
    model = net()
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(TypeError, match="_Stepper does not say when it steps"):
            writer.watch(model, _Stepper(model))
        cross_entropy(model(torch.ones(1, 20)), torch.zeros(1).long()).backward()
        writer.add_diagnostics(model, optimizer=_Stepper(model), global_step=0)
    assert read(tmp_path)[LEARNING_RATE].values.tolist() == [[pytest.approx(0.1)]]
