"""Validation losses that a loop computes and tells nobody: recorded where they are the loss that is trained, and nothing else is."""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import cross_entropy, mse_loss

import tb_lossdiag
from helpers.tiny_trainings import read
from tb_lossdiag.quantities import LOSS, VALIDATION_LOSS

EPOCHS, STEPS = 4, 5
TRAIN = nn.Module.train
Data = list[tuple[Tensor, Tensor]]


def data(seed: int, sizes: tuple[int, ...] = (16, 16, 7)) -> Data:
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(size, 20, generator=generator) for size in sizes]
    return [(x, x[:, :3].argmax(1)) for x in made]


class Net(nn.Module):
    """Returns its loss if it is given targets, and draws random numbers while it trains."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 3))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Any:
        scores = self.body(x)
        return scores if y is None else (scores, cross_entropy(scores, y))


Evaluate = Callable[[nn.Module], float]
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def plain(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(model(x), y)


def returned(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    loss: Tensor = model(x, y)[1]
    return loss


def by_module(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    loss: Tensor = nn.CrossEntropyLoss()(model(x), y)
    return loss


def mean_of(model: nn.Module, loss: Loss, of: Data) -> float:
    """By sample."""
    total = sum(float(loss(model, x, y).detach()) * len(x) for x, y in of)
    return total / sum(len(x) for x, _ in of)


def in_eval(loss: Loss) -> Evaluate:
    def evaluate(model: nn.Module) -> float:
        model.eval()
        with torch.no_grad():
            return mean_of(model, loss, data(9))

    return evaluate


def in_inference_mode(model: nn.Module) -> float:
    model.eval()
    with torch.inference_mode():
        return mean_of(model, plain, data(9))


def with_gradients(model: nn.Module) -> float:
    """Somebody forgot `no_grad`."""
    model.eval()
    return mean_of(model, plain, data(9))


def summed(model: nn.Module) -> float:
    """As pytorch/examples does."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for x, y in data(9):
            total += functional.cross_entropy(model(x), y, reduction="sum").item()
            count += len(x)
    return total / count


def by_element(model: nn.Module) -> float:
    model.eval()
    with torch.no_grad():
        each = [cross_entropy(model(x), y, reduction="none") for x, y in data(9)]
    return float(torch.cat(each).mean())


def of_both(model: nn.Module) -> float:
    """Of training data first, by another line."""
    model.eval()
    with torch.no_grad():
        mean_of(model, plain, [(x, y) for x, y in data(1)])
    model.train()
    model.eval()
    with torch.no_grad():
        return mean_of(model, plain, [(x, (y + 1) % 3) for x, y in data(1)])


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer, loss: Loss, evaluate: Evaluate
) -> list[float]:
    torch.manual_seed(3)
    seen = []
    for epoch in range(EPOCHS):
        model.train()
        for x, y in data(10 + epoch, (16,) * STEPS):
            optimizer.zero_grad()
            loss(model, x, y).backward()
            optimizer.step()
        seen.append(evaluate(model))
    return seen


def recorded(folder: Path, loss: Loss, evaluate: Evaluate) -> tuple[list[float], Any]:
    """What the loop saw, and what was recorded; the same weights and the same validation losses as by itself."""
    bare = Net()
    alone = train(bare, torch.optim.Adam(bare.parameters(), 0.01), loss, evaluate)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with tb_lossdiag.watch(model, optimizer, folder):
        seen = train(model, optimizer, loss, evaluate)
    assert seen == alone
    pairs = zip(bare.parameters(), model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    del model, optimizer
    gc.collect()
    assert nn.Module.train is TRAIN
    return seen, read(folder)


@pytest.mark.parametrize(
    ("loss", "evaluate"),
    [
        (plain, in_eval(plain)),
        (by_module, in_eval(by_module)),
        (plain, in_eval(by_module)),
        (returned, in_eval(returned)),
        (plain, in_inference_mode),
        (plain, with_gradients),
        (plain, summed),
        (plain, by_element),
        (lambda m, x, y: cross_entropy(m(x), y, reduction="none").mean(), summed),
        (plain, of_both),
    ],
)
def test_the_loops_own_validation_loss(tmp_path: Path, loss: Loss, evaluate: Evaluate) -> None:
    seen, run = recorded(tmp_path, loss, evaluate)
    np.testing.assert_allclose(run[VALIDATION_LOSS].values[:, 0], seen, rtol=1e-5)
    steps = [STEPS * (epoch + 1) - 1 for epoch in range(EPOCHS)]
    assert run[VALIDATION_LOSS].steps.tolist() == steps
    assert len(run[LOSS]) == EPOCHS * STEPS


def smoothed(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(model(x), y, label_smoothing=0.1)


def halved(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(model(x), y) / 2


def penalised(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    weights = sum(p.pow(2).sum() for p in model.parameters())
    return cross_entropy(model(x), y) + 0.01 * weights


def added_up(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(model(x), y, reduction="sum")


def accuracy(model: nn.Module) -> float:
    model.eval()
    with torch.no_grad():
        return float(np.mean([(model(x).argmax(1) == y).float().mean() for x, y in data(9)]))


def other_loss(model: nn.Module) -> float:
    model.eval()
    with torch.no_grad():
        return float(mse_loss(model(data(9)[0][0]), torch.zeros(16, 3)))


def twice_of_a_pass(model: nn.Module) -> float:
    model.eval()
    with torch.no_grad():
        x, y = data(9)[0]
        scores = model(x)
        return float(cross_entropy(scores, y) + cross_entropy(scores, (y + 1) % 3))


def of_two_sets(model: nn.Module) -> float:
    """One evaluation of training data and of others whose labels are wrong, as nanoGPT's `estimate_loss` takes both."""
    model.eval()
    with torch.no_grad():
        for shift in (0, 1):
            for x, y in data(9, (16,) * 8):
                cross_entropy(model(x) * 9, (y + shift) % 3)
    return 0.0


@pytest.mark.parametrize(
    ("loss", "evaluate"),
    [
        (smoothed, in_eval(plain)),
        (halved, in_eval(plain)),
        (penalised, in_eval(plain)),
        (added_up, in_eval(plain)),
        (plain, in_eval(smoothed)),
        (plain, accuracy),
        (plain, other_loss),
        (plain, twice_of_a_pass),
        (plain, of_two_sets),
        (plain, lambda _: math.nan),
    ],
)
def test_what_is_not_the_same_loss_is_left_out(
    tmp_path: Path, loss: Loss, evaluate: Evaluate
) -> None:
    _, run = recorded(tmp_path, loss, evaluate)
    assert VALIDATION_LOSS not in run
    if evaluate is of_two_sets:
        assert "two sets of data" in run.facts["validation"]


def test_parts_of_a_step_and_a_scale_are_the_loss_itself(tmp_path: Path) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    seen = []
    with tb_lossdiag.watch(model, optimizer, tmp_path, scaler=scaler):
        for _ in range(EPOCHS):
            model.train()
            optimizer.zero_grad()
            for x, y in data(1, (8, 8)):
                scaler.scale(plain(model, x, y) / 2).backward()
            scaler.step(optimizer)
            scaler.update()
            seen.append(in_eval(plain)(model))
    np.testing.assert_allclose(read(tmp_path)[VALIDATION_LOSS].values[:, 0], seen, rtol=1e-5)


def test_a_loop_that_says_its_validation_losses_is_left_to_do_so(tmp_path: Path) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with tb_lossdiag.watch(model, optimizer, tmp_path) as writer:

        def evaluate(model: nn.Module) -> float:
            in_eval(plain)(model)
            writer.add_diagnostics(loss=7.0, phase="validation")
            return 7.0

        train(model, optimizer, plain, evaluate)
    assert (read(tmp_path)[VALIDATION_LOSS].values == 7).all()


def test_training_in_eval_mode_is_no_evaluation(tmp_path: Path) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with tb_lossdiag.watch(model, optimizer, tmp_path):
        train(model, optimizer, plain, lambda _: math.nan)
        for x, y in data(2):
            model.eval()
            optimizer.zero_grad()
            plain(model, x, y).backward()
            optimizer.step()
    assert VALIDATION_LOSS not in read(tmp_path)


def test_two_players_have_no_validation_loss(tmp_path: Path) -> None:
    models = {"a": Net(), "b": Net()}
    optimizers = {name: torch.optim.SGD(model.parameters(), 0.1) for name, model in models.items()}
    writers = [tb_lossdiag.watch(models[n], optimizers[n], tmp_path, name=n) for n in models]
    for x, y in data(2):
        for name, model in models.items():
            model.train()
            plain(model, x, y).backward()
            optimizers[name].step()
            in_eval(plain)(model)
    writers[0].close()
    assert VALIDATION_LOSS not in read(tmp_path)


def test_an_overfit_is_named_from_the_loops_own_evaluations(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 3))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    few = [(x, torch.randint(0, 3, (16,))) for x, _ in data(4, (16, 16))]
    with tb_lossdiag.watch(model, optimizer, tmp_path):
        for _ in range(60):
            model.train()
            for x, y in few:
                optimizer.zero_grad()
                plain(model, x, y).backward()
                optimizer.step()
            in_eval(plain)(model)
    document = json.loads(tb_lossdiag.diagnose(tmp_path).to_json())
    assert "LD107" in [finding["code"] for finding in document["runs"][0]["findings"]]
