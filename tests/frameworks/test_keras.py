"""The Keras callback on torch: recorded, and the weights are what they are without it."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import GLOBAL_NORM, LEARNING_RATE, LOSS, VALIDATION_LOSS, WEIGHTED_PHASE

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

BATCHES = 16


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated inside
        yield


def doctor(*given: Any, **options: Any) -> Any:
    from tb_lossdiag.integrations.keras import LossDoctor  # noqa: PLC0415

    return LossDoctor(*given, **options)


def data() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(16 * BATCHES, 20)).astype(np.float32)
    return x, x[:, :3].argmax(1)


def model(optimizer: str = "Adam", **options: Any) -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    made = keras.Sequential(
        [keras.Input((20,)), layers.Dense(32, "relu"), layers.Dropout(0.1), layers.Dense(3)]
    )
    rate = options.pop("rate", 1e-2)
    made.compile(
        getattr(keras.optimizers, optimizer)(rate, **options),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return made


class Written(keras.Model):  # type: ignore[misc, name-defined]
    """A model as a class: Keras asks none of its layers for their parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers = keras.layers
        self.first, self.norm = layers.Dense(32, "relu"), layers.BatchNormalization()
        self.drop, self.last = layers.Dropout(0.1), layers.Dense(3)

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.norm(self.first(x), training=training)
        return self.last(self.drop(x, training=training))


def written() -> Any:
    keras.utils.set_random_seed(0)
    made = Written()
    made.compile(keras.optimizers.Adam(1e-2), model().loss)
    return made


def fitted(made: Any, epochs: int, extra: list[Any], **more: Any) -> Any:
    made.fit(
        *data(),
        batch_size=16,
        epochs=epochs,
        verbose=0,
        callbacks=extra,
        validation_data=data(),
        **more,
    )
    return made


def weights(trained: Any) -> list[Any]:
    return list(trained.get_weights())


SETUPS: dict[str, tuple[str, dict[str, Any]]] = {
    "Adam": ("Adam", {}),
    "SGD, momentum": ("SGD", {"momentum": 0.9}),
    "AdamW, clip": ("AdamW", {"global_clipnorm": 0.1}),
    "schedule": ("Adam", {"rate": keras.optimizers.schedules.CosineDecay(1e-2, 2 * BATCHES)}),
    "accumulation": ("Adam", {"gradient_accumulation_steps": 2}),
}


@pytest.mark.parametrize("name", SETUPS)
def test_a_training_is_recorded_and_not_changed(name: str, tmp_path: Path) -> None:
    optimizer, options = SETUPS[name]
    plain = torch.autograd.backward
    watched = fitted(model(optimizer, **options), 2, [doctor(tmp_path)])
    without = fitted(model(optimizer, **options), 2, [])
    for ours, theirs in zip(weights(watched), weights(without), strict=True):
        assert np.array_equal(ours, theirs)
    assert torch.autograd.backward is plain
    assert "apply" not in vars(watched.optimizer)
    run = read(tmp_path)
    assert run.facts["framework"] == "keras"
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(2 * BATCHES))
    assert 0.8 < run[LOSS].values[0, 0] < 1.6
    rates = run[LEARNING_RATE].values[:, 0]
    np.testing.assert_allclose(rates[0], 1e-2, 1e-5)
    assert (rates[-1] < 1e-4) == (name == "schedule")
    np.testing.assert_array_equal(run[VALIDATION_LOSS].steps, [BATCHES, 2 * BATCHES])
    assert run.facts["optimizer"] == optimizer


def state_of(make: Any, extra: list[Any]) -> dict[str, Any]:
    keras.utils.clear_session()  # names are counted
    return dict(fitted(make(), 2, extra).state_dict())


@pytest.mark.parametrize("make", [model, written])
def test_what_is_saved_has_the_names_that_it_has_without(make: Any, tmp_path: Path) -> None:
    """A layer that is asked for its parameters makes a part of itself of them."""
    watched = state_of(make, [doctor(tmp_path, every=2)])
    without = state_of(make, [])
    assert len(watched) > 3
    assert list(watched) == list(without)
    for ours, theirs in zip(watched.values(), without.values(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_loop_of_ones_own_leaves_the_layers_as_they_are(tmp_path: Path) -> None:
    made = fitted(written(), 1, [])
    x, y = (torch.from_numpy(each) for each in data())
    optimizer = torch.optim.Adam([v.value for v in made.trainable_variables])
    parts = [name for name, _ in made.named_modules()]
    with SummaryWriter(tmp_path) as writer:
        writer.watch(made, optimizer, every=2)
        for step in range(40):
            loss = torch.nn.functional.cross_entropy(made(x, training=True), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss, global_step=step)
    assert [name for name, _ in made.named_modules()] == parts


def weights_of(y: Any) -> Any:
    return np.where(y == 0, 3.0, 1.0).astype(np.float32)


def test_weights_in_one_phase_alone_are_told(tmp_path: Path) -> None:
    x, y = data()
    w = weights_of(y)
    tensors = map(torch.from_numpy, (x, y, w))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*tensors), 16)
    fits: list[tuple[str, Any, dict[str, Any]]] = [
        ("train", (x, y), {"class_weight": {0: 3.0, 1: 1.0, 2: 1.0}, "validation_data": (x, y)}),
        ("train", (x, y), {"class_weight": {0: 3.0, 1: 1.0, 2: 1.0}, "validation_split": 0.2}),
        ("train", (loader,), {"validation_data": (x, y)}),
        ("validation", (x, y), {"validation_data": (x, y, w)}),
        ("", (x, y), {"sample_weight": w, "validation_split": 0.2}),
        ("", (x, y), {"validation_data": (x, y)}),
    ]
    for number, (phase, given, options) in enumerate(fits):
        folder = tmp_path / str(number)
        model().fit(*given, verbose=0, callbacks=[doctor(folder)], **options)
        assert read(folder).facts.get(WEIGHTED_PHASE, "") == phase


def test_fit_again_goes_on_in_the_run(tmp_path: Path) -> None:
    made, callback = model(), doctor(tmp_path)
    fitted(fitted(made, 1, [callback]), 1, [callback])
    np.testing.assert_array_equal(read(tmp_path)[LOSS].steps, np.arange(2 * BATCHES))


def test_compiled_anew_it_goes_on_in_the_run(tmp_path: Path) -> None:
    """As a base that is thawed: by another callback for the folder, and by that one once more."""
    made = fitted(model(), 1, [doctor(tmp_path)])
    made.compile(keras.optimizers.Adam(1e-5), made.loss)
    callback = doctor(tmp_path)
    fitted(fitted(made, 1, [callback]), 1, [callback])
    run = read(tmp_path)
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(3 * BATCHES))
    epochs = BATCHES * np.arange(1, 4, dtype=np.int64)
    np.testing.assert_array_equal(run[VALIDATION_LOSS].steps, epochs)
    assert not [mark for mark in run.restarts if mark.undone]
    fitted(model(), 1, [doctor(tmp_path)])  # another model there begins anew
    assert len(read(tmp_path)[LOSS].steps) == BATCHES


def test_a_saved_model_goes_on_in_its_folder(tmp_path: Path) -> None:
    """Two epochs, the first one's model is taken up again."""
    made = fitted(model(), 1, [doctor(tmp_path / "mine")])
    made.save(tmp_path / "kept.keras")
    fitted(made, 1, [doctor(tmp_path / "mine")])
    fitted(keras.saving.load_model(tmp_path / "kept.keras"), 2, [doctor(tmp_path / "mine")])
    run = read(tmp_path / "mine")
    for quantity in (GLOBAL_NORM, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(3 * BATCHES))
    marks = [(r.kind, r.step, r.undone) for r in run.restarts if r.undone]
    assert marks == [("resumed", BATCHES, BATCHES)]


def test_killed_and_restored_by_keras_itself(tmp_path: Path) -> None:
    """Dies in the third epoch; `BackupAndRestore` begins it again."""

    def fail(batch: int, logs: Any) -> None:
        if int(made.optimizer.iterations) == 2 * BATCHES + 5:
            raise KeyError("of the user")

    made = model()
    backup, dies = (
        keras.callbacks.BackupAndRestore(tmp_path / "kept"),
        keras.callbacks.LambdaCallback(on_train_batch_end=fail),
    )
    with contextlib.suppress(KeyError):
        fitted(made, 3, [backup, doctor(tmp_path / "mine"), dies])
    backup = keras.callbacks.BackupAndRestore(tmp_path / "kept")
    fitted(model(), 3, [backup, doctor(tmp_path / "mine")])
    run = read(tmp_path / "mine")
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(3 * BATCHES))


def test_an_option_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="seldom: no such option; there are every, "):
        doctor(seldom=3)
