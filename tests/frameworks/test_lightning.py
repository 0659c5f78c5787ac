"""The Lightning callback in every ordinary set-up: recorded, and the weights are what they are without it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
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
    CLIP_MAX_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM,
    VALIDATION_LOSS,
)

pl = pytest.importorskip("pytorch_lightning")
loggers = pytest.importorskip("pytorch_lightning.loggers")

BATCHES = 16


def installed() -> list[Any]:
    """What a callback may have replaced."""
    of = torch.nn.utils
    return [torch.autograd.backward, of.clip_grad_norm_, of.clip_grad_value_]


PLAIN = installed()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of few workers, of checkpoints, of what is deprecated inside
        yield


def doctor(*given: Any, **options: Any) -> Any:
    from tb_lossdiag.integrations.lightning import LossDoctor  # noqa: PLC0415

    return LossDoctor(*given, **options)


def loader(size: int = 16) -> DataLoader[Any]:
    x = torch.randn(16 * BATCHES, 20, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(x, x[:, :3].argmax(1)), size)


class Classifier(pl.LightningModule):  # type: ignore[misc, name-defined]
    def __init__(self, lr: float = 1e-2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lr, self.batch_size = lr, 16
        self.net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        return cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        self.log("val_loss", cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), self.lr)

    def train_dataloader(self) -> DataLoader[Any]:
        return loader(self.batch_size)

    def val_dataloader(self) -> DataLoader[Any]:
        return loader()


class Manual(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], _: int) -> None:  # type: ignore[override]
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(cross_entropy(self.net(batch[0]), batch[1]))
        self.clip_gradients(optimizer, gradient_clip_val=0.05, gradient_clip_algorithm="norm")
        optimizer.step()


class Accumulating(Classifier):
    """Two batches a step, by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], index: int) -> None:  # type: ignore[override]
        optimizer = self.optimizers()
        self.manual_backward(cross_entropy(self.net(batch[0]), batch[1]) / 2)
        if index % 2 == 1:
            optimizer.step()
            optimizer.zero_grad()


class Closures(Classifier):
    """An optimizer that asks for the loss several times a step."""

    def configure_optimizers(self) -> Any:
        return torch.optim.LBFGS(self.parameters(), 0.1, max_iter=4)


class Turns(Classifier):
    """Two halves of a model that are trained in turns, a batch each, as automatic optimization once did."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], index: int) -> None:  # type: ignore[override]
        optimizer = self.optimizers()[index % 2]
        self.toggle_optimizer(optimizer)
        self.manual_backward(cross_entropy(self.net(batch[0]), batch[1]))
        optimizer.step()
        optimizer.zero_grad()
        self.untoggle_optimizer(optimizer)

    def configure_optimizers(self) -> Any:
        return [torch.optim.Adam(self.net[i].parameters(), 1e-3) for i in (0, 2)]


class Adversaries(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = nn.Linear(4, 20), nn.Linear(20, 1)
        self.net = nn.Sequential()

    def training_step(self, batch: list[Tensor], _: int) -> None:  # type: ignore[override]
        makes, judges = self.optimizers()
        fake, real = self.generator(torch.randn(16, 4)), batch[0]
        yes, no = torch.ones(16, 1), torch.zeros(16, 1)
        judges.zero_grad()
        self.manual_backward(binary_cross_entropy_with_logits(self.discriminator(real), yes))
        self.manual_backward(
            binary_cross_entropy_with_logits(self.discriminator(fake.detach()), no)
        )
        judges.step()
        makes.zero_grad()
        self.manual_backward(binary_cross_entropy_with_logits(self.discriminator(fake), yes))
        makes.step()

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        pass

    def configure_optimizers(self) -> Any:
        return [
            torch.optim.Adam(part.parameters(), 1e-3)
            for part in (self.generator, self.discriminator)
        ]


def trainer(folder: Path, callbacks: list[Any], **arguments: Any) -> Any:
    silent = {"enable_progress_bar": False, "enable_model_summary": False}
    given = {"max_epochs": 1, "enable_checkpointing": False, **silent, **arguments}
    if arguments.get("barebones"):
        given = {"max_epochs": 1, "barebones": True}
    return pl.Trainer(accelerator="cpu", default_root_dir=folder, callbacks=callbacks, **given)


def weights(module: nn.Module) -> list[Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def run_of(folder: Path) -> Path:
    (file,) = {path.parent for path in folder.rglob("events.out.tfevents.*")}
    return file


SETUPS: dict[str, tuple[type[Classifier], dict[str, Any], int]] = {
    "plain": (Classifier, {}, BATCHES),
    "accumulate 2": (Classifier, {"accumulate_grad_batches": 2}, BATCHES // 2),
    "accumulate 4": (Classifier, {"accumulate_grad_batches": 4}, BATCHES // 4),
    "clip by norm": (Classifier, {"gradient_clip_val": 0.05}, BATCHES),
    "clip by value": (
        Classifier,
        {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
        BATCHES,
    ),
    "bfloat16": (Classifier, {"precision": "bf16-mixed"}, BATCHES),
    "no logger": (Classifier, {"logger": False}, BATCHES),
    "barebones": (Classifier, {"barebones": True}, BATCHES),
    "fast_dev_run": (Classifier, {"fast_dev_run": 3}, 3),
    "overfit_batches": (Classifier, {"overfit_batches": 4}, 4),
    "manual": (Manual, {}, BATCHES),
    "manual, accumulate 2": (Accumulating, {}, BATCHES // 2),
    "LBFGS": (Closures, {}, BATCHES),
}


@pytest.mark.parametrize("name", SETUPS)
def test_a_training_is_recorded_and_not_changed(name: str, tmp_path: Path) -> None:
    kind, arguments, steps = SETUPS[name]
    watched, plain = kind(), kind()
    trainer(tmp_path / "with", [doctor()], **arguments).fit(watched)
    trainer(tmp_path / "without", [], **arguments).fit(plain)
    for ours, theirs in zip(weights(watched), weights(plain), strict=True):
        assert torch.equal(ours, theirs)
    run = read(run_of(tmp_path / "with"))
    assert run.facts["framework"] == "lightning"
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(steps))
    assert 0.8 < run[LOSS].values[0, 0] < 1.4  # ln 3, whatever the accumulation
    if "clip" in name or name == "manual":
        np.testing.assert_array_equal(run[CLIP_GLOBAL_NORM].steps, np.arange(steps))
        np.testing.assert_allclose(run[CLIP_GLOBAL_NORM].values, run[GLOBAL_NORM].values, 1e-5)
        assert (run[GLOBAL_NORM].values > 0.06).any()  # as it was before the clip
    if name not in {"barebones", "fast_dev_run"}:
        assert len(run[VALIDATION_LOSS]) == 1
    by_hand = "manual" in name  # the trainer does not know how often it steps
    assert run.facts.get("planned steps") == (None if by_hand else str(steps))
    assert installed() == PLAIN


def test_two_players_are_watched_under_their_names(tmp_path: Path) -> None:
    torch.manual_seed(1)
    watched = Adversaries()
    torch.manual_seed(1)
    plain = Adversaries()
    torch.manual_seed(2)
    trainer(tmp_path / "with", [doctor()]).fit(watched)
    torch.manual_seed(2)
    trainer(tmp_path / "without", []).fit(plain)
    for ours, theirs in zip(weights(watched), weights(plain), strict=True):
        assert torch.equal(ours, theirs)
    run = read(run_of(tmp_path / "with"))
    assert set(run[GLOBAL_NORM].columns) == {"generator", "discriminator"}
    assert set(run[LOSS_TERM].columns) == {"generator", "discriminator"}
    np.testing.assert_array_equal(run[LOSS_TERM].steps, np.arange(BATCHES))
    judged = run[LOSS_TERM].values[0, run[LOSS_TERM].columns.index("discriminator")]
    assert 1.0 < judged < 2.5  # both halves of it


def test_optimizers_in_turns(tmp_path: Path) -> None:
    watched, plain = Turns(), Turns()
    trainer(tmp_path / "with", [doctor()]).fit(watched)
    trainer(tmp_path / "without", []).fit(plain)
    for ours, theirs in zip(weights(watched), weights(plain), strict=True):
        assert torch.equal(ours, theirs)
    run = read(run_of(tmp_path / "with"))
    assert set(run[GLOBAL_NORM].columns) == {"net.0", "net.2"}
    assert set(run[LOSS_TERM].columns) == {"net.0", "net.2"}
    assert np.isfinite(run[LOSS_TERM].values).all()
    assert len(run[LOSS_TERM]) == BATCHES // 2


def test_fit_twice_goes_on_in_one_run(tmp_path: Path) -> None:
    ours, module = trainer(tmp_path, [doctor()]), Classifier()
    ours.fit(module)
    ours.fit_loop.max_epochs = 2
    ours.fit(module)
    run = read(run_of(tmp_path))
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(2 * BATCHES))


def test_the_tuner_is_not_recorded(tmp_path: Path) -> None:
    from pytorch_lightning.tuner.tuning import Tuner  # noqa: PLC0415

    ours, module = trainer(tmp_path, [doctor()], enable_checkpointing=True), Classifier()
    Tuner(ours).lr_find(module, num_training=10)
    Tuner(ours).scale_batch_size(module, max_trials=2, init_val=16)
    module.batch_size = 16
    ours.fit(module)
    run = read(run_of(tmp_path))
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(BATCHES))


@pytest.mark.parametrize("order", ["csv", "csv, board", "board, csv"])
def test_any_loggers(order: str, tmp_path: Path) -> None:
    known = {
        "csv": loggers.CSVLogger(tmp_path, name="csv"),
        "board": loggers.TensorBoardLogger(tmp_path, name="board"),
    }
    trainer(tmp_path, [doctor()], logger=[known[name] for name in order.split(", ")]).fit(
        Classifier()
    )
    run = read(run_of(tmp_path))
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(BATCHES))
    assert len(run[VALIDATION_LOSS]) == 1
    assert run.facts.get("beside the writer of") == ("Lightning" if "board" in order else None)


@pytest.mark.parametrize(
    "extra", ["SWA", "EarlyStopping", "LearningRateMonitor", "LearningRateFinder"]
)
def test_beside_other_callbacks(extra: str, tmp_path: Path) -> None:
    made = {
        "SWA": lambda: pl.callbacks.StochasticWeightAveraging(1e-3, swa_epoch_start=1),
        "EarlyStopping": lambda: pl.callbacks.EarlyStopping("val_loss"),
        "LearningRateMonitor": pl.callbacks.LearningRateMonitor,
        "LearningRateFinder": lambda: pl.callbacks.LearningRateFinder(num_training_steps=10),
    }
    given = {"max_epochs": 3, "enable_checkpointing": True}
    watched, plain = Classifier(), Classifier()
    (ours := trainer(tmp_path / "with", [made[extra](), doctor()], **given)).fit(watched)
    trainer(tmp_path / "without", [made[extra]()], **given).fit(plain)
    steps = ours.global_step  # Lightning 2.4 counts those of its finder, and trains less
    for one, other in zip(weights(watched), weights(plain), strict=True):
        assert torch.equal(one, other)
    run = read(run_of(tmp_path / "with"))
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(steps))


def test_validate_and_test_alone_record_nothing(tmp_path: Path) -> None:
    ours, module = trainer(tmp_path, [doctor()], logger=False), Classifier()
    ours.validate(module)
    assert not list(tmp_path.rglob("events.out.tfevents.*"))


@pytest.mark.parametrize("logger", [True, False])
def test_resumed_from_a_checkpoint(tmp_path: Path, logger: bool) -> None:
    def board() -> Any:
        return loggers.TensorBoardLogger(tmp_path, version=0) if logger else False

    first = trainer(tmp_path, [doctor()], max_epochs=2, logger=board())
    first.fit(Classifier())
    first.save_checkpoint(tmp_path / "saved.ckpt")
    second = trainer(tmp_path, [doctor()], max_epochs=3, logger=board())
    second.fit(Classifier(), ckpt_path=str(tmp_path / "saved.ckpt"))
    run = read(run_of(tmp_path))
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(3 * BATCHES))
    np.testing.assert_array_equal(run[GLOBAL_NORM].steps, np.arange(3 * BATCHES))
    assert [(r.kind, r.step, r.undone) for r in run.restarts] == [("resumed", 2 * BATCHES, 0)]


def test_an_option_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="seldom: no such option; there are every, "):
        doctor(seldom=3)


def test_a_folder_that_cannot_be_made_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    module = Classifier()
    with pytest.warns(RuntimeWarning, match="Loss Doctor records less"):
        trainer(tmp_path, [doctor(tmp_path / "file")], logger=False).fit(module)
    assert not torch.equal(weights(module)[0], weights(Classifier())[0])


class Failing(Classifier):
    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        if index == 5:
            raise KeyError("of the user")
        return super().training_step(batch, index)


def test_an_exception_of_the_user_leaves_records_and_nothing_installed(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="of the user"):
        trainer(tmp_path, [doctor()]).fit(Failing())
    run = read(run_of(tmp_path))
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(5))
    assert installed() == PLAIN


def test_clips_name_their_bound(tmp_path: Path) -> None:
    trainer(tmp_path, [doctor()], gradient_clip_val=0.05).fit(Classifier())
    run = read(run_of(tmp_path))
    np.testing.assert_allclose(run[CLIP_MAX_NORM].values, 0.05, rtol=1e-6)
