"""The fastai callback with its own optimizers and torch's: recorded, and the weights are what they are without it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from helpers.tiny_trainings import read
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    VALIDATION_LOSS,
)

fastai = pytest.importorskip("fastai.basics")
training = pytest.importorskip("fastai.callback.training")
schedule = pytest.importorskip("fastai.callback.schedule")

BATCHES = 16


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated inside
        yield


def doctor(*given: Any, **options: Any) -> Any:
    from tb_lossdiag.integrations.fastai import LossDoctor  # noqa: PLC0415

    return LossDoctor(*given, **options)


def theirs(parameters: Any, **more: Any) -> Any:
    return fastai.Adam(parameters, **more)


def torchs(parameters: Any, **more: Any) -> Any:
    return fastai.OptimWrapper(parameters, torch.optim.AdamW, **more)


SETUPS: dict[str, tuple[Any, list[Any]]] = {
    "fastai's": (theirs, []),
    "fastai's, clip": (theirs, [(training.GradientClip, 0.1)]),
    "fastai's, accumulation": (theirs, [(training.GradientAccumulation, 32)]),
    "fastai's, clip, accumulation": (
        theirs,
        [(training.GradientClip, 0.1), (training.GradientAccumulation, 32)],
    ),
    "torch's": (torchs, []),
    "torch's, clip": (torchs, [(training.GradientClip, 0.1)]),
    "torch's, accumulation": (torchs, [(training.GradientAccumulation, 32)]),
}


def learner(path: Path, optimizer: Any, extra: list[Any], *, typed: bool = False) -> Any:
    """With `typed`, tensors are fastai's own, as those of its data blocks, and so is the loss."""
    torch.manual_seed(0)
    x = torch.randn(16 * BATCHES, 20, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(fastai.TensorBase(x) if typed else x, x[:, :3].argmax(1))
    loaders = [fastai.DataLoader(data, bs=16, num_workers=0) for _ in range(2)]
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
    return fastai.Learner(
        fastai.DataLoaders(*loaders),
        model,
        fastai.CrossEntropyLossFlat() if typed else nn.CrossEntropyLoss(),
        opt_func=optimizer,
        path=path,
        cbs=extra,
    )


def quietly(trained: Any, epochs: int, **more: Any) -> Any:
    with trained.no_logging(), trained.no_mbar():
        trained.fit(epochs, 1e-2, **more)
    return trained


def weights(trained: Any) -> list[Tensor]:
    return [value.clone() for value in trained.model.state_dict().values()]


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("name", SETUPS)
def test_a_training_is_recorded_and_not_changed(name: str, typed: bool, tmp_path: Path) -> None:
    optimizer, extra = SETUPS[name]
    plain = [torch.autograd.backward, torch.nn.utils.clip_grad_norm_]
    ours, without = (
        learner(tmp_path, optimizer, [*(kind(of) for kind, of in extra), *more], typed=typed)
        for more in ([doctor()], [])
    )
    for one, other in zip(weights(quietly(ours, 2)), weights(quietly(without, 2)), strict=True):
        assert torch.equal(one, other)
    assert plain == [torch.autograd.backward, torch.nn.utils.clip_grad_norm_]
    run = read(tmp_path / "runs" / "run_1")
    assert run.facts["framework"] == "fastai"
    steps = np.arange(BATCHES if "accumulation" in name else 2 * BATCHES)
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE):
        np.testing.assert_array_equal(run[quantity].steps, steps)
    assert 0.9 < run[LOSS].values[0, 0] < 1.4  # ln 3, whatever the accumulation
    assert (CLIP_GLOBAL_NORM in run) == ("clip" in name)
    if "clip" in name:
        np.testing.assert_allclose(run[CLIP_GLOBAL_NORM].values, run[GLOBAL_NORM].values, 1e-5)
    assert len(run[VALIDATION_LOSS]) == 2


@pytest.mark.parametrize("optimizer", [theirs, torchs])
def test_further_fits_go_on_and_the_finder_is_not_recorded(optimizer: Any, tmp_path: Path) -> None:
    ours = learner(tmp_path, optimizer, [doctor()])
    quietly(ours, 1)
    with ours.no_logging(), ours.no_mbar():
        ours.fit(1, cbs=[schedule.LRFinder(num_it=10)])
    quietly(ours, 1)
    run = read(tmp_path / "runs" / "run_1")
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(2 * BATCHES))
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.parametrize("optimizer", [theirs, torchs])
def test_an_epoch_that_is_trained_again_is_undone(optimizer: Any, tmp_path: Path) -> None:
    """Three epochs; a second session begins at the saved second one."""
    first = learner(tmp_path, optimizer, [doctor()])
    quietly(first, 2).save("kept")
    quietly(first, 1)
    quietly(learner(tmp_path, optimizer, [doctor()]).load("kept"), 4, start_epoch=2)
    run = read(tmp_path / "runs" / "run_1")
    for quantity in (GLOBAL_NORM, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(4 * BATCHES))
    marks = [(r.kind, r.step, r.undone) for r in run.restarts if r.undone]
    assert marks == [("resumed", 2 * BATCHES, BATCHES)]

    trained = quietly(learner(tmp_path, theirs, [doctor()]), 1)
    assert "step" not in vars(trained.opt)
