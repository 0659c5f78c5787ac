"""`tb_lossdiag.watch`: a loop in which nothing else is ours, and the weights are what they are without it."""

from __future__ import annotations

import gc
import operator
import weakref
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.checkpoint import checkpoint

import tb_lossdiag
from helpers.tiny_trainings import read
from tb_lossdiag.integrations.search import scaler_alive
from tb_lossdiag.quantities import (
    AMP_SCALE,
    CLIP_GLOBAL_NORM,
    GLOBAL_NORM,
    LOSS,
    LOSS_TERM,
    VALIDATION_LOSS,
)

STEPS = 12


def installed() -> list[Any]:
    """What may be replaced while something is watched."""
    of = torch.nn.utils
    return [torch.autograd.backward, of.clip_grad_norm_, of.clip_grad_value_, nn.Module.train]


PLAIN = installed()
Losses = list[float]


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))


def batches(size: int = 16) -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(1)
    made = [torch.randn(size, 20) for _ in range(STEPS)]
    return [(x, x[:, :3].argmax(1)) for x in made]


def plain(model: nn.Module, optimizer: Any, losses: Losses) -> None:
    for x, y in batches():
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        losses.append(loss.item())
        optimizer.step()


def accumulated(model: nn.Module, optimizer: Any, losses: Losses) -> None:
    for x, y in batches():
        optimizer.zero_grad(set_to_none=False)
        total = 0.0
        for part in range(4):
            loss = cross_entropy(model(x[part::4]), y[part::4]) / 4
            loss.backward()
            total += loss.item()
        losses.append(total)
        optimizer.step()


def validated(model: nn.Module, optimizer: Any, losses: Losses) -> None:
    """A backward pass that is not of the training, before the gradients are dropped."""
    for x, y in batches():
        cross_entropy(model(x), y).backward()
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        torch.autograd.backward([loss / 2, loss / 2])
        losses.append(loss.item())
        optimizer.step()


def checkpointed(model: nn.Module, optimizer: Any, losses: Losses) -> None:
    """Reentrant: each pass holds another one."""
    for x, y in batches():
        optimizer.zero_grad()
        hidden = checkpoint(model[0], x.requires_grad_(), use_reentrant=True)  # type: ignore[index]
        loss = cross_entropy(model[2](model[1](hidden)), y)  # type: ignore[index]
        loss.backward()
        losses.append(loss.item())
        optimizer.step()


def beside_another(model: nn.Module, optimizer: Any, losses: Losses) -> None:
    """A model that nobody watches trains in between."""
    other = nn.Linear(20, 3)
    for x, y in batches():
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        mse_loss(other(x), torch.zeros(16, 3)).backward()
        losses.append(loss.item())
        optimizer.step()


def of_vectors(model: nn.Module, optimizer: Any, losses: Losses) -> None:
    """A gradient that is given instead of a loss: there is no number to record."""
    for x, _ in batches():
        optimizer.zero_grad()
        model(x).backward(torch.ones(16, 3))
        optimizer.step()


def test_torchs_functions_are_its_own_again_when_the_last_writer_closes(tmp_path: Path) -> None:
    """Although models and optimizers live on, and nobody collects garbage."""
    models = [net() for _ in range(2)]
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in models]
    writers = [
        tb_lossdiag.watch(model, optimizer, tmp_path / str(index))
        for index, (model, optimizer) in enumerate(zip(models, optimizers, strict=True))
    ]
    gc.disable()
    try:
        for model, optimizer in zip(models, optimizers, strict=True):
            plain(model, optimizer, [])
        writers[0].close()
        assert not any(map(operator.is_, installed(), PLAIN))
        plain(models[1], optimizers[1], [])
        writers[1].close()
        assert installed() == PLAIN
    finally:
        gc.enable()
    assert [len(read(tmp_path / name)[LOSS].steps) for name in "01"] == [STEPS, 2 * STEPS]
    with tb_lossdiag.watch(models[0], optimizers[0], tmp_path / "0"):
        plain(models[0], optimizers[0], [])
    assert len(read(tmp_path / "0")[LOSS].steps) == 2 * STEPS
    assert installed() == PLAIN


@pytest.mark.parametrize(
    "loop", [plain, accumulated, validated, checkpointed, beside_another, of_vectors]
)
def test_losses_are_those_that_were_backpropagated(
    loop: Callable[[nn.Module, Any, Losses], None], tmp_path: Path
) -> None:
    bare = net()
    loop(bare, torch.optim.SGD(bare.parameters(), lr=0.1), [])
    model, losses = net(), Losses()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb_lossdiag.watch(model, optimizer, tmp_path):
        loop(model, optimizer, losses)
    assert all(
        torch.equal(a, b) for a, b in zip(bare.parameters(), model.parameters(), strict=True)
    )
    run = read(tmp_path)
    np.testing.assert_array_equal(run[GLOBAL_NORM].steps, np.arange(STEPS))
    if losses:
        np.testing.assert_allclose(run[LOSS].values[:, 0], losses, rtol=1e-6)
    else:
        assert LOSS not in run
    if loop is plain:
        np.testing.assert_array_equal(run[CLIP_GLOBAL_NORM].steps, np.arange(STEPS))
    del optimizer, model
    gc.collect()
    assert installed() == PLAIN


def test_a_closure_is_evaluated_within_the_step(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=1)
    writer = tb_lossdiag.watch(model, optimizer, tmp_path)
    losses = []
    for x, y in batches():

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            return loss

        losses.append(optimizer.step(closure).item())
    writer.close()
    np.testing.assert_allclose(read(tmp_path)[LOSS].values[:, 0], losses, rtol=1e-6)


def test_a_scaled_loss_is_recorded_unscaled(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
    losses = []
    with tb_lossdiag.watch(model, optimizer, tmp_path, scaler=scaler):
        for x, y in batches():
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            losses.append(loss.item())
            scaler.step(optimizer)
            scaler.update()
    run = read(tmp_path)
    assert run[AMP_SCALE].values.max() > 1024
    np.testing.assert_allclose(run[LOSS].values[:, 0], losses, rtol=1e-6)


def test_scripts_find_the_scaler_of_torch_2_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.amp, "GradScaler")
    assert scaler_alive() is None


def test_players_in_one_folder_are_one_run(tmp_path: Path) -> None:
    models = {"generator": nn.Linear(4, 20), "discriminator": nn.Linear(20, 1)}
    optimizers = {name: torch.optim.Adam(model.parameters()) for name, model in models.items()}
    writers = [tb_lossdiag.watch(models[n], optimizers[n], tmp_path, name=n) for n in models]
    assert writers[0] is writers[1]
    losses: dict[str, Losses] = {name: [] for name in models}
    for x, _ in batches():
        fake = models["generator"](x[:, :4])
        for name, of in (("discriminator", fake.detach()), ("generator", fake)):
            optimizers[name].zero_grad()
            loss = models["discriminator"](of).pow(2).mean()
            loss.backward()
            losses[name].append(loss.item())
            optimizers[name].step()
    writers[0].close()
    run = read(tmp_path)
    for at, name in enumerate(run[LOSS_TERM].columns):
        np.testing.assert_allclose(run[LOSS_TERM].values[:, at], losses[name], rtol=1e-6)


def test_a_loop_that_says_its_losses_is_left_to_do_so(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb_lossdiag.watch(model, optimizer, tmp_path) as writer:
        for x, y in batches():
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            writer.add_diagnostics(loss=42.0)
            optimizer.step()
        writer.add_diagnostics(loss=7.0, phase="validation")
    run = read(tmp_path)
    assert (run[LOSS].values == 42).all()
    assert run[VALIDATION_LOSS].values.tolist() == [[7.0]]


def test_a_new_optimizer_each_epoch_goes_on(tmp_path: Path) -> None:
    model = net()
    writers = []
    for _ in range(3):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        writers.append(tb_lossdiag.watch(model, optimizer, tmp_path))
        plain(model, optimizer, [])
    writers[-1].close()
    run = read(tmp_path)
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(3 * STEPS))


@pytest.mark.parametrize(
    ("kind", "loaded", "begins"),
    [("Adam", True, STEPS), ("Adam", False, 2 * STEPS), ("SGD", True, 2 * STEPS)],
    ids=["taken up", "begun anew", "an optimizer that does not count"],
)
def test_a_checkpoint_of_before_the_end_is_taken_up(
    kind: str, loaded: bool, begins: int, tmp_path: Path
) -> None:
    """The first session dies an epoch after its checkpoint; what it did then is undone where the optimizer says how far it was."""
    model = net()
    optimizer = getattr(torch.optim, kind)(model.parameters(), lr=0.01)
    with tb_lossdiag.watch(model, optimizer, tmp_path):
        plain(model, optimizer, [])
        kept = deepcopy(optimizer.state_dict())
        plain(model, optimizer, [])
    optimizer = getattr(torch.optim, kind)(model.parameters(), lr=0.01)
    with tb_lossdiag.watch(model, optimizer, tmp_path):
        if loaded:
            optimizer.load_state_dict(kept)
        plain(model, optimizer, [])
    run = read(tmp_path)
    for quantity in (LOSS, GLOBAL_NORM):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(begins + STEPS))
    undone = [(r.step, r.undone) for r in run.restarts if r.undone]
    assert undone == [(begins, STEPS)] * (begins == STEPS)


def test_training_goes_on_after_close_and_nothing_is_written(tmp_path: Path) -> None:
    gc.collect()  # of other tests
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tb_lossdiag.watch(model, optimizer, tmp_path):
        plain(model, optimizer, [])
    plain(model, optimizer, [])
    np.testing.assert_array_equal(read(tmp_path)[LOSS].steps, np.arange(STEPS))
    assert len(list(tmp_path.glob("events.*"))) == 1
    assert installed() == PLAIN


def test_what_nobody_keeps_is_collected_with_its_optimizer(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    tb_lossdiag.watch(model, optimizer, tmp_path)
    plain(model, optimizer, [])
    gone = weakref.ref(model)
    del model, optimizer
    gc.collect()
    assert gone() is None
    np.testing.assert_array_equal(read(tmp_path)[LOSS].steps, np.arange(STEPS))


def test_an_option_that_is_none_is_refused(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="seldom: no such option"):
        tb_lossdiag.watch(model, optimizer, tmp_path, seldom=2)
    assert installed() == PLAIN
