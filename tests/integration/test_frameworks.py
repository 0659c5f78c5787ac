"""Training loops that a framework writes: Accelerate, Transformers, Lightning; with the README's own code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, TensorDataset

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import (
    AMP_SCALE,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    RANK_PARAMETER_SPREAD,
    VALIDATION_LOSS,
)

README = Path(__file__).parents[2] / "README.md"
STEPS = 30


def shown(marker: str, **world: Any) -> dict[str, Any]:
    """What the README's block with this in it defines."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = (block for block in blocks if marker in block)
    world["SummaryWriter"] = SummaryWriter
    exec(block, world)  # noqa: S102  (our own text)
    return world


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


class _Sentences(Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return 16 * STEPS

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        words = torch.randint(5, 50, (12,), generator=torch.Generator().manual_seed(index))
        return {"input_ids": words, "labels": (words[0] > 27).long()}


def trained_by_transformers(
    folder: Path, out: Path, resume: str | None = None, **arguments: Any
) -> None:
    """With the README's callbacks, in a writer of its own."""
    transformers = pytest.importorskip("transformers")
    writer = SummaryWriter(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(vocab_size=60, intermediate_size=32, **sizes)
    given = {"num_train_epochs": 1, "logging_steps": 1, "save_strategy": "no", **arguments}
    trainer = transformers.Trainer(
        transformers.BertForSequenceClassification(config),
        transformers.TrainingArguments(
            str(out),
            per_device_train_batch_size=16,
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            **given,
        ),
        train_dataset=_Sentences(),
        callbacks=shown("TrainerCallback", writer=writer)["callbacks"],
    )
    trainer.train(resume_from_checkpoint=resume)
    writer.close()


def test_transformers(tmp_path: Path) -> None:
    trained_by_transformers(tmp_path / "run", tmp_path / "out")
    run = read(tmp_path / "run")
    for quantity in (GLOBAL_NORM, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS))
    assert run.facts["optimizer"] == "AdamW"


@pytest.mark.parametrize("every", [1, 5])
def test_transformers_resumed_from_a_checkpoint(tmp_path: Path, every: int) -> None:
    """Killed at step 50, taken up again at 40."""
    folder, out = tmp_path / "run", tmp_path / "out"
    saving: dict[str, Any] = {"save_strategy": "steps", "save_steps": 20, "logging_steps": every}
    trained_by_transformers(folder, out, max_steps=50, **saving)
    trained_by_transformers(folder, out, str(out / "checkpoint-40"), max_steps=60, **saving)
    run = read(folder)
    np.testing.assert_array_equal(run[GLOBAL_NORM].steps, np.arange(60))
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(every - 1, 60, every))
    assert [(r.kind, r.step, r.undone) for r in run.restarts] == [("resumed", 40, 10)]


def trained_by_lightning(
    folder: Path, clip: float | None = None, checkpoint: str | None = None, **arguments: Any
) -> Any:
    """With the README's logger, callback and clip."""
    lightning = pytest.importorskip("pytorch_lightning")
    world = shown("LightningModule")
    base: Any = lightning.LightningModule if clip is None else world["Clipped"]

    class Module(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            return cross_entropy(self.net(batch[0]), batch[1])

        def validation_step(self, batch: list[Tensor], _: int) -> None:
            self.log("val_loss", cross_entropy(self.net(batch[0]), batch[1]))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-2)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few workers
        given = {"max_epochs": 1, "enable_checkpointing": False, **arguments}
        trainer = lightning.Trainer(
            accelerator="cpu",
            logger=world["LossDoctorLogger"](folder, version=0),
            callbacks=[world["LossDoctor"]()],
            gradient_clip_val=clip,
            enable_progress_bar=False,
            enable_model_summary=False,
            **given,
        )
        trainer.fit(Module(), DataLoader(data(), 16), DataLoader(data(), 16), ckpt_path=checkpoint)
    return trainer


@pytest.mark.parametrize("clip", [None, 0.05])
def test_lightning(tmp_path: Path, clip: float | None) -> None:
    trained_by_lightning(tmp_path, clip)
    run = read(tmp_path / "lightning_logs" / "version_0")
    for quantity in (GLOBAL_NORM, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS))
    assert len(run[VALIDATION_LOSS]) == 1  # Lightning's own scalar, read along
    assert (run[GLOBAL_NORM].values > 0.1).any()  # as it was before the clip
    if clip is not None:
        np.testing.assert_allclose(run[CLIP_MAX_NORM].values, clip)
        np.testing.assert_allclose(run[CLIP_GLOBAL_NORM].values, run[GLOBAL_NORM].values, 1e-6)


@pytest.mark.parametrize("version", [0, 1])
def test_lightning_resumed_from_a_checkpoint(tmp_path: Path, version: int) -> None:
    """In the same folder, and in a new one as Lightning itself does; two epochs of 30 steps, then a third."""
    first = trained_by_lightning(tmp_path, max_epochs=2)
    first.save_checkpoint(tmp_path / "saved.ckpt")
    folder = tmp_path if version == 0 else tmp_path / "other"
    trained_by_lightning(folder, checkpoint=str(tmp_path / "saved.ckpt"), max_epochs=3)
    run = read(folder / "lightning_logs" / "version_0")
    begin = 0 if version == 0 else 2 * STEPS
    for quantity in (GLOBAL_NORM, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(begin, 3 * STEPS))
    kinds = [(r.kind, r.step, r.undone) for r in run.restarts]
    assert kinds == ([("resumed", 2 * STEPS, 0)] if version == 0 else [])


RANKS = """
import sys, torch, pytorch_lightning
from test_frameworks import data, net, shown
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

world = shown("LightningModule")
ours = sys.argv[2] == "ours"

class Module(world["Clipped"] if ours else pytorch_lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = net()

    def training_step(self, batch, _):
        return cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def on_fit_end(self):
        torch.save(list(self.parameters()), f"{sys.argv[1]}/{self.global_rank}.pt")
        self.trainer.strategy.barrier()  # rank 0 ends the other process when it ends

pytorch_lightning.seed_everything(0)
pytorch_lightning.Trainer(
    max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", gradient_clip_val=0.2,
    logger=world["LossDoctorLogger"](sys.argv[1] + "/runs") if ours else False,
    callbacks=[world["LossDoctor"]()] if ours else [],
    enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
).fit(Module(), DataLoader(data(), 16))
"""


def test_lightning_on_two_ranks(tmp_path: Path) -> None:
    """Every rank clips, every rank is compared, one writes, and the weights are those without us."""
    pytest.importorskip("pytorch_lightning")
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tests}:{tests / 'integration'}"}
    for whose in ("plain", "ours"):
        (tmp_path / whose).mkdir()
        command = [sys.executable, str(script), str(tmp_path / whose), whose]
        subprocess.run(command, env=environment, capture_output=True, timeout=120, check=True)
    for rank in range(2):
        plain, ours = (torch.load(tmp_path / whose / f"{rank}.pt") for whose in ("plain", "ours"))
        assert all(torch.equal(a, b) for a, b in zip(plain, ours, strict=True))
    folder = tmp_path / "ours" / "runs" / "lightning_logs" / "version_0"
    assert len(list(folder.glob("*tfevents*"))) == 1
    run = read(folder)
    np.testing.assert_array_equal(run[GLOBAL_NORM].steps, np.arange(STEPS // 2))
    np.testing.assert_allclose(run[RANK_PARAMETER_SPREAD].values, 0, atol=1e-6)


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


def test_an_optimizer_without_hooks_is_refused_in_words(tmp_path: Path) -> None:
    model = net()
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(TypeError, match="_Stepper does not say when it steps"):
            writer.watch(model, _Stepper(model))
        cross_entropy(model(torch.ones(1, 20)), torch.zeros(1).long()).backward()
        writer.add_diagnostics(model, optimizer=_Stepper(model), global_step=0)
    assert read(tmp_path)[LEARNING_RATE].values.tolist() == [[pytest.approx(0.1)]]
