"""The skorch callback: recorded, cloned, searched and resumed, and the weights are what they are without it."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.tiny_trainings import read
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    VALIDATION_LOSS,
)

skorch = pytest.importorskip("skorch")
callbacks = pytest.importorskip("skorch.callbacks")

BATCHES = 16


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what skorch finds deprecated in its own dependencies
        yield


def doctor(*given: Any, **options: Any) -> Any:
    from tb_lossdiag.integrations.skorch import LossDoctor  # noqa: PLC0415

    return LossDoctor(*given, **options)


class Classifier(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).softmax(-1)  # type: ignore[no-any-return]


def data() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(20 * BATCHES, 20)).astype(np.float32)
    return x, x[:, :3].argmax(1)  # a fifth is held out


def net(extra: list[Any], **arguments: Any) -> Any:
    torch.manual_seed(0)
    given = {"optimizer": torch.optim.Adam, "lr": 1e-2, "max_epochs": 2, "batch_size": 16}
    return skorch.NeuralNetClassifier(
        Classifier, verbose=0, callbacks=extra, **{**given, **arguments}
    )


def weights(trained: Any) -> list[Tensor]:
    return [value.clone() for value in trained.module_.state_dict().values()]


SETUPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "clip": {"clip": True},
    "closure": {"optimizer": torch.optim.LBFGS, "lr": 0.1},
}


@pytest.mark.parametrize("name", SETUPS)
def test_a_training_is_recorded_and_not_changed(name: str, tmp_path: Path) -> None:
    arguments = dict(SETUPS[name])
    clips = [callbacks.GradientNormClipping(0.1)] if arguments.pop("clip", False) else []
    watched = net([*clips, doctor(tmp_path)], **arguments).fit(*data())
    without = net([*clips], **arguments).fit(*data())
    for ours, theirs in zip(weights(watched), weights(without), strict=True):
        assert torch.equal(ours, theirs)
    run = read(tmp_path)
    assert run.facts["framework"] == "skorch"
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(2 * BATCHES))
    assert (CLIP_GLOBAL_NORM in run) == bool(clips)
    assert len(run[VALIDATION_LOSS]) == 2


def test_each_fit_is_a_run_and_partial_fit_goes_on(tmp_path: Path) -> None:
    ours = net([doctor(tmp_path / "mine")])
    ours.fit(*data())
    ours.partial_fit(*data())
    ours.fit(*data())
    lengths = {f.name: len(read(f)[LOSS]) for f in tmp_path.iterdir()}
    assert lengths == {"mine": 4 * BATCHES, "mine_1": 2 * BATCHES}


def test_a_search_clones_it_with_its_options(tmp_path: Path) -> None:
    from sklearn.base import clone  # noqa: PLC0415
    from sklearn.model_selection import GridSearchCV  # noqa: PLC0415

    made = clone(net([("doctor", doctor(tmp_path / "mine", every=2))]))
    assert made.initialize().get_params()["callbacks__doctor__every"] == 2
    search = GridSearchCV(made, {"module__width": [8, 16]}, cv=2, refit=False)
    search.fit(*data())
    assert len(list(tmp_path.iterdir())) == 4


def test_resumed_from_a_checkpoint(tmp_path: Path) -> None:
    """Three epochs, the second one's checkpoint is taken up again."""
    kept = callbacks.Checkpoint(
        monitor=lambda net: len(net.history) == 2, dirname=str(tmp_path / "kept")
    )
    net([kept, doctor(tmp_path / "mine")], max_epochs=3).fit(*data())
    load = callbacks.LoadInitState(kept)
    again = net([load, doctor(tmp_path / "mine")], max_epochs=2).fit(*data())
    assert len(again.history) == 4
    run = read(tmp_path / "mine")
    for quantity in (GLOBAL_NORM, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(4 * BATCHES))
    undone = [(r.kind, r.step, r.undone) for r in run.restarts]
    assert undone == [("resumed", 2 * BATCHES, BATCHES)]


def test_a_net_is_saved_with_it(tmp_path: Path) -> None:
    trained = net([doctor(tmp_path)]).fit(*data())
    same = pickle.loads(pickle.dumps(trained))  # noqa: S301
    assert torch.equal(weights(same)[0], weights(trained)[0])


def test_an_option_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="seldom: no such option; there are every, "):
        doctor(seldom=3)
