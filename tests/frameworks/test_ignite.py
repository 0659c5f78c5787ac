"""The Ignite handler: an update function of Ignite's documentation, recorded, and the weights are what they are without it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from helpers.tiny_trainings import read
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM,
    VALIDATION_LOSS,
)

engines = pytest.importorskip("ignite.engine")
metrics = pytest.importorskip("ignite.metrics")

BATCHES = 16


def doctor(*given: Any, **options: Any) -> Any:
    from tb_lossdiag.integrations.ignite import LossDoctor  # noqa: PLC0415

    return LossDoctor(*given, **options)


def loader() -> DataLoader[Any]:
    x = torch.randn(16 * BATCHES, 20, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(x, x[:, :3].argmax(1)), 16)


class Classifying:
    """A trainer, what it trains, and an evaluator that runs after each epoch."""

    def __init__(self, accumulate: int = 1) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
        self.optimizer = torch.optim.Adam(self.model.parameters(), 1e-2)
        self.accumulate = accumulate
        self.trainer = engines.Engine(self.update)
        loss = {"loss": metrics.Loss(cross_entropy)}
        self.evaluator = engines.create_supervised_evaluator(self.model, metrics=loss)
        self.trainer.add_event_handler(
            engines.Events.EPOCH_COMPLETED, lambda: self.evaluator.run(loader())
        )

    def update(self, engine: Any, batch: list[Tensor]) -> float:
        self.model.train()
        loss = cross_entropy(self.model(batch[0]), batch[1])
        (loss / self.accumulate).backward()
        if engine.state.iteration % self.accumulate == 0:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.5)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return loss.item()

    def attached(self, doctor: Any) -> Classifying:
        doctor.attach(self.trainer, self.model, self.optimizer, evaluator=self.evaluator)
        return self

    def run(self, epochs: int) -> Classifying:
        self.trainer.run(loader(), max_epochs=epochs)
        return self

    def saved(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "trainer": self.trainer}
        return {name: part.state_dict() for name, part in parts.items()}

    def loaded(self, state: dict[str, Any]) -> Classifying:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.trainer.load_state_dict(state["trainer"])
        return self


def weights(module: nn.Module) -> list[Tensor]:
    return [value.clone() for value in module.state_dict().values()]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_training_is_recorded_and_not_changed(tmp_path: Path, accumulate: int) -> None:
    plain = [torch.autograd.backward, torch.nn.utils.clip_grad_norm_]
    watched = Classifying(accumulate).attached(doctor(tmp_path)).run(2)
    without = Classifying(accumulate).run(2)
    for ours, theirs in zip(weights(watched.model), weights(without.model), strict=True):
        assert torch.equal(ours, theirs)
    assert plain == [torch.autograd.backward, torch.nn.utils.clip_grad_norm_]
    run = read(tmp_path)
    assert run.facts["framework"] == "ignite"
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE, CLIP_GLOBAL_NORM):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(2 * BATCHES // accumulate))
    assert 0.9 < run[LOSS].values[0, 0] < 1.4  # ln 3, whatever the accumulation
    assert len(run[VALIDATION_LOSS]) == 2


def test_a_checkpoint_of_before_the_end_goes_on_in_the_run(tmp_path: Path) -> None:
    """Saved after one epoch of two batches a step, trained for two, taken up again where it was saved."""
    first = Classifying(2).attached(doctor(tmp_path))
    state: dict[str, Any] = {}

    def save() -> None:
        state.update(state or first.saved())

    first.trainer.add_event_handler(engines.Events.EPOCH_COMPLETED, save)
    first.run(2)
    Classifying(2).loaded(state).attached(doctor(tmp_path)).run(3)
    run = read(tmp_path)
    for quantity in (GLOBAL_NORM, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(3 * BATCHES // 2))
    begun, again = BATCHES // 2, BATCHES // 2
    assert [(r.kind, r.step, r.undone) for r in run.restarts] == [("resumed", begun, again)]


class Adversaries:
    """A generator and its judge, in turns."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.models = {"generator": nn.Linear(4, 20), "judge": nn.Linear(20, 1)}
        self.optimizers = {n: torch.optim.Adam(m.parameters()) for n, m in self.models.items()}
        self.trainer = engines.Engine(self.update)

    def update(self, _: Any, batch: list[Tensor]) -> None:
        fake, judge = self.models["generator"](torch.randn(16, 4)), self.models["judge"]
        yes, no = torch.ones(16, 1), torch.zeros(16, 1)
        self.optimizers["judge"].zero_grad()
        right = binary_cross_entropy_with_logits(judge(batch[0]), yes)
        (right + binary_cross_entropy_with_logits(judge(fake.detach()), no)).backward()
        self.optimizers["judge"].step()
        self.optimizers["generator"].zero_grad()
        binary_cross_entropy_with_logits(judge(fake), yes).backward()
        self.optimizers["generator"].step()


def test_several_optimizers_by_name(tmp_path: Path) -> None:
    watched = Adversaries()
    doctor(tmp_path).attach(watched.trainer, watched.models, watched.optimizers)
    watched.trainer.run(loader(), max_epochs=1)
    without = Adversaries()
    without.trainer.run(loader(), max_epochs=1)
    for name, model in watched.models.items():
        assert torch.equal(weights(model)[0], weights(without.models[name])[0])
    run = read(tmp_path)
    assert set(run[LOSS_TERM].columns) == set(run[GLOBAL_NORM].columns) == {"generator", "judge"}
    np.testing.assert_array_equal(run[LOSS_TERM].steps, np.arange(BATCHES))


def test_an_exception_of_the_user_stays_his_and_leaves_a_working_torch(tmp_path: Path) -> None:
    gc.collect()
    plain = torch.autograd.backward
    training = Classifying().attached(doctor(tmp_path))
    raised = False

    def fail(engine: Any) -> None:
        if engine.state.iteration == 5:
            raise KeyError("of the user")

    training.trainer.add_event_handler(engines.Events.ITERATION_COMPLETED, fail)
    try:  # pytest's own way would keep its frames
        training.run(1)
    except KeyError:
        raised = True
    del training
    gc.collect()
    assert raised
    assert torch.autograd.backward is plain


def test_a_folder_that_cannot_be_made_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="Loss Doctor records less"):
        training = Classifying().attached(doctor(tmp_path / "file")).run(1)
    assert not torch.equal(weights(training.model)[0], weights(Classifying().model)[0])
