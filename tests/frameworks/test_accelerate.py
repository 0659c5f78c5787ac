"""The Accelerate tracker: an unchanged loop of Accelerate's documentation, recorded by one argument."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from helpers.tiny_trainings import read
from tb_lossdiag.collect.probes.copies import copied
from tb_lossdiag.collect.probes.survey import survey
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    VALIDATION_LOSS,
)

accelerate = pytest.importorskip("accelerate")

STEPS = 16


def trained(
    tracker: Any, *, late: bool = False, accumulate: int = 2, logs: bool = True
) -> list[torch.Tensor]:
    accelerator = accelerate.Accelerator(
        cpu=True, gradient_accumulation_steps=accumulate, log_with=tracker
    )
    if late:
        accelerator.init_trackers("mine", config={"lr": 0.01})
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    x = torch.randn(16 * STEPS, 20)
    loader = DataLoader(TensorDataset(x, x[:, :3].argmax(1)), 16 // accumulate)
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    if not late:
        accelerator.init_trackers("mine", config={"lr": 0.01})
    if logs:
        accelerator.log({"started": 1.0}, step=0)
    for x, y in loader:
        with accelerator.accumulate(model):
            loss = cross_entropy(model(x), y)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    if logs:
        accelerator.log({"val_loss": 0.5}, step=STEPS)
    accelerator.end_training()
    return list(accelerator.unwrap_model(model).parameters())


def test_what_is_prepared_after_the_trackers_is_watched_from_its_first_step(tmp_path: Path) -> None:
    """Nobody calls `log`, so only the step itself tells; the weights are those of a training without us."""
    from tb_lossdiag.integrations.accelerate import LossDoctorTracker  # noqa: PLC0415

    ours = trained(LossDoctorTracker(tmp_path / "run"), late=True, logs=False)
    assert read(tmp_path / "run")[GLOBAL_NORM].steps.tolist() == list(range(STEPS))
    plain = trained(None, late=True, logs=False)
    assert all(torch.equal(a, b) for a, b in zip(ours, plain, strict=True))


def session(tracker: Any, folder: Path, first: int, last: int) -> None:
    """Some steps of a loop that keeps its state in a folder, and takes it up again there."""
    accelerator = accelerate.Accelerator(cpu=True, log_with=tracker)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model, optimizer = accelerator.prepare(model, optimizer)
    accelerator.init_trackers("mine", config={"lr": 0.01})
    if first:
        accelerator.load_state(str(folder))
    for step in range(first, last):
        x = torch.randn(16, 20, generator=torch.Generator().manual_seed(step))
        loss = cross_entropy(model(x), x[:, :3].argmax(1))
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        accelerator.log({"train_loss": loss.item()}, step=step)
        if step == STEPS - 1:
            accelerator.save_state(str(folder))
    accelerator.end_training()


@pytest.mark.parametrize("died_after", [STEPS, STEPS + 5])
def test_a_state_that_is_loaded_goes_on_in_the_run(tmp_path: Path, died_after: int) -> None:
    from tb_lossdiag.integrations.accelerate import LossDoctorTracker  # noqa: PLC0415

    session(LossDoctorTracker(tmp_path / "run"), tmp_path / "state", 0, died_after)
    session(LossDoctorTracker(tmp_path / "run"), tmp_path / "state", STEPS, 2 * STEPS)
    run = read(tmp_path / "run")
    assert run.facts["framework"] == "accelerate"
    for quantity in (GLOBAL_NORM, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(2 * STEPS))
    undone = died_after - STEPS
    assert [(r.kind, r.step, r.undone) for r in run.restarts] == [("resumed", STEPS, undone)]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_training_is_recorded_and_not_changed(
    tmp_path: Path, late: bool, accumulate: int
) -> None:
    from tb_lossdiag.integrations.accelerate import LossDoctorTracker  # noqa: PLC0415

    watched = trained(LossDoctorTracker(tmp_path), late=late, accumulate=accumulate)
    for ours, theirs in zip(watched, trained(None, late=late, accumulate=accumulate), strict=True):
        assert torch.equal(ours, theirs)
    run = read(tmp_path)
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE, CLIP_GLOBAL_NORM):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS))
    assert 0.9 < run[LOSS].values[0, 0] < 1.4  # ln 3, whatever the accumulation
    assert run[VALIDATION_LOSS].values.tolist() == [[0.5]]
    assert run.facts["scheduler"] == "CosineAnnealingLR"


@pytest.fixture
def anew() -> Iterator[None]:
    """Accelerate remembers for the process in which precision it began."""
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    yield
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.usefixtures("anew")
def test_a_model_that_was_prepared_for_sixteen_bits_can_be_copied() -> None:
    """Its `forward` is replaced by one that holds functions within functions; the copy answers what it answers."""
    model = accelerate.Accelerator(cpu=True, mixed_precision="bf16").prepare(nn.Linear(20, 3))
    found = survey(model)
    assert not found.obstacle
    new, _ = copied(model, found)
    x = torch.randn(4, 20)
    assert torch.equal(new(x), model(x))
    with torch.no_grad():
        next(new.parameters()).zero_()
    assert not torch.equal(new(x), model(x))
