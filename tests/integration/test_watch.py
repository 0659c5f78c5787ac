"""`writer.watch`: every step of a real training, seen through the optimizer's hooks and read back from the event file."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import (
    AMP_SKIPPED,
    CLIP_AFTER_STEP,
    CLIP_BEFORE_UNSCALE,
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_NORM_AFTER,
    GLOBAL_NORM,
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LEARNING_RATE,
    LOSS,
    NONFINITE_STEPS,
    PARAMETER_CLIPPED,
    PARAMETER_HELD,
    PARAMETER_NORM,
    PARAMETER_ROLE,
    STEPS,
    UPDATE_NORM,
    Role,
)


def net(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 3))


def batches(count: int, seed: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        yield (
            torch.randn(8, 6, generator=generator),
            torch.randint(3, (8,), generator=generator),
        )


def norms(model: nn.Module) -> list[float]:
    grads = [p.grad for p in model.parameters()]
    return [float("nan") if g is None else float(g.norm()) for g in grads]


def _grad(model: nn.Sequential, index: int) -> Tensor:
    grad = model[index].get_parameter("weight").grad
    assert grad is not None
    return grad


def test_a_training_that_only_calls_watch_leaves_everything(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    truth, weights, changes = [], {}, {}
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for step, (x, y) in enumerate(batches(50)):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            truth.append(norms(model))
            before = [p.detach().clone() for p in model.parameters()]
            optimizer.step()
            after = list(model.parameters())
            changes[step] = [
                float((a.detach() - b).norm()) for a, b in zip(after, before, strict=True)
            ]
            weights[step] = [float(p.detach().norm()) for p in model.parameters()]
    run = read(tmp_path)
    assert run[GRADIENT_NORM].steps.tolist() == list(range(50))
    assert run[GRADIENT_NORM].columns == tuple(name for name, _ in model.named_parameters())
    np.testing.assert_allclose(run[GRADIENT_NORM].values, truth, rtol=1e-5)
    total = np.sqrt((np.array(truth) ** 2).sum(axis=1))
    np.testing.assert_allclose(run[GLOBAL_NORM].values[:, 0], total, rtol=1e-5)
    assert run[STEPS].values.sum() == 50
    assert run[LEARNING_RATE].values[:, 0].tolist() == pytest.approx([0.01] * 50)
    for step, values in zip(run[UPDATE_NORM].steps.tolist(), run[UPDATE_NORM].values, strict=True):
        np.testing.assert_allclose(values, changes[step], rtol=1e-4)
    at = run[PARAMETER_NORM].steps.tolist()
    assert at == run[UPDATE_NORM].steps.tolist()
    np.testing.assert_allclose(run[PARAMETER_NORM].values, [weights[s] for s in at], rtol=1e-5)
    assert run[PARAMETER_HELD].values[-1].tolist() == [1.0] * 4
    assert run[PARAMETER_ROLE].values[-1].tolist() == [Role.WEIGHT, Role.BIAS] * 2
    assert run.facts["optimizer"] == "AdamW"


@pytest.mark.parametrize("first", [0, 1000])
@pytest.mark.parametrize("late", [False, True])
def test_steps_have_the_users_numbers_wherever_add_diagnostics_stands(
    tmp_path: Path, first: int, late: bool
) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for step, (x, y) in enumerate(batches(10), start=first):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            if late:
                optimizer.step()
            writer.add_diagnostics(loss=loss, global_step=step)
            if not late:
                optimizer.step()
    run = read(tmp_path)
    expected = list(range(first, first + 10))
    assert run[LOSS].steps.tolist() == expected
    assert run[GRADIENT_NORM].steps.tolist() == expected


def test_add_diagnostics_without_a_number_follows_the_steps(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for x, y in batches(5):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss)
    assert read(tmp_path)[LOSS].steps.tolist() == [0, 1, 2, 3, 4]


def test_a_not_a_number_in_one_step_is_counted_exactly(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    healthy = copy.deepcopy(model.state_dict())
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer, every="auto")
        for step, (x, y) in enumerate(batches(30)):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            if step == 17:
                _grad(model, 3)[0, :2] = float("nan")
            optimizer.step()
            model.load_state_dict(healthy)
    run = read(tmp_path)
    broken = run[GRADIENT_NONFINITE]
    assert broken.column("3.weight")[17] == 2.0
    assert np.nansum(broken.values) == 2.0
    assert np.flatnonzero(run[NONFINITE_STEPS].values[:, 0]).tolist() == [17]


def test_a_norm_whose_square_overflows_is_not_taken_for_infinity(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 1e25)
        optimizer.step()
    run = read(tmp_path)
    np.testing.assert_allclose(run[GRADIENT_NORM].values[0], [2e25, 1e25 * 2**0.5], rtol=1e-5)
    assert run[GRADIENT_NONFINITE].values.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("named", [False, True])
def test_clips_of_the_writer_are_in_the_ledger_with_their_order(
    tmp_path: Path, named: bool
) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    truth = []
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for x, y in batches(8):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            truth.append(norms(model))
            writer.clip_grad_norm_(model.parameters(), 0.5)
            if named:
                writer.add_diagnostics(loss=loss)
            optimizer.step()
    run = read(tmp_path)
    total = np.sqrt((np.array(truth) ** 2).sum(axis=1))
    np.testing.assert_allclose(run[CLIP_GLOBAL_NORM].values[:, 0], total, rtol=1e-5)
    np.testing.assert_allclose(run[CLIP_NORM_AFTER].values[:, 0], np.fmin(total, 0.5), rtol=1e-4)
    np.testing.assert_allclose(run[GRADIENT_NORM].values, truth, rtol=1e-5)
    assert run[CLIP_BOUND].values[:, 0].tolist() == (total > 0.5).astype(float).tolist()
    assert run[CLIP_CALLS].values[:, 0].tolist() == [1.0] * 8
    assert run[CLIP_AFTER_STEP].values[1:, 0].tolist() == [0.0] * 7
    assert run[PARAMETER_CLIPPED].values[-1].tolist() == [1.0] * 4


def test_a_clip_by_value_is_in_the_ledger(tmp_path: Path) -> None:
    ours, theirs = net(), net()
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
    ((x, y),) = batches(1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(ours, optimizer)
        for model in (ours, theirs):
            cross_entropy(model(x), y).backward()
        truth = norms(ours)
        writer.clip_grad_value_(ours.parameters(), 0.01)
        nn.utils.clip_grad_value_(theirs.parameters(), 0.01)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a.grad, b.grad)  # type: ignore[arg-type]
        left = norms(ours)
        optimizer.step()
    run = read(tmp_path)
    assert run[CLIP_GLOBAL_NORM].columns == ("clip value",)
    assert run[CLIP_GLOBAL_NORM].values[0, 0] == pytest.approx(np.linalg.norm(truth), rel=1e-5)
    assert run[CLIP_NORM_AFTER].values[0, 0] == pytest.approx(np.linalg.norm(left), rel=1e-5)
    np.testing.assert_allclose(run[GRADIENT_NORM].values[0], truth, rtol=1e-5)


@pytest.mark.parametrize("unscale_first", [True, False])
def test_skipped_steps_and_the_order_of_unscaling_are_seen(
    tmp_path: Path, unscale_first: bool
) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=7)
    truth: dict[int, list[float]] = {}
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer, scaler=scaler)
        for step, (x, y) in enumerate(batches(30)):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            truth[step] = (np.array(norms(model)) / scaler.get_scale()).tolist()
            if step in (11, 12, 20):
                _grad(model, 0).fill_(float("inf"))
            if unscale_first:
                scaler.unscale_(optimizer)
            writer.clip_grad_norm_(model.parameters(), 0.5)
            writer.add_diagnostics(loss=loss, global_step=step)
            scaler.step(optimizer)
            scaler.update()
    run = read(tmp_path)
    taken = [step for step in range(30) if step not in (11, 12, 20)]
    skipped = run[AMP_SKIPPED]
    found = {
        s: v for s, v in zip(skipped.steps.tolist(), skipped.values[:, 0], strict=True) if v > 0
    }
    assert found == {12: 1.0, 13: 1.0, 21: 1.0}
    assert run[GRADIENT_NORM].steps.tolist() == taken
    expected = [truth[step] for step in taken]
    np.testing.assert_allclose(run[GRADIENT_NORM].values, expected, rtol=1e-4)
    order = run[CLIP_BEFORE_UNSCALE].values[:, 0]
    assert set(order.tolist()) == {0.0 if unscale_first else 1.0}


@pytest.mark.parametrize("unscale_first", [True, False])
def test_a_clip_of_scaled_gradients_is_given_back_unscaled_without_watch(
    tmp_path: Path, unscale_first: bool
) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    truth = []
    with SummaryWriter(tmp_path) as writer:
        for x, y in batches(3):
            optimizer.zero_grad()
            scaler.scale(cross_entropy(model(x), y)).backward()
            truth.append((np.array(norms(model)) / 1024).tolist())
            if unscale_first:
                scaler.unscale_(optimizer)
            writer.clip_grad_norm_(model.parameters(), 0.5)
            writer.add_diagnostics(model, scaler=scaler)
            scaler.step(optimizer)
            scaler.update()
    np.testing.assert_allclose(read(tmp_path)[GRADIENT_NORM].values, truth, rtol=1e-4)


def test_every_looks_at_one_step_in_so_many(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer, every=10)
        for x, y in batches(35):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()
    run = read(tmp_path)
    assert run[STEPS].values[:, 0].tolist() == [1.0, 10.0, 10.0, 10.0]
    assert run[GRADIENT_NORM].steps.tolist() == [0, 10, 20, 30]


def test_two_models_keep_their_names(tmp_path: Path) -> None:
    ours, theirs = net(0), net(1)
    first = torch.optim.Adam(ours.parameters())
    second = torch.optim.SGD(theirs.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(ours, first, name="generator")
        writer.watch(theirs, second, name="critic")
        with pytest.raises(ValueError, match="'critic' is watched already"):
            writer.watch(ours, first, name="critic")
        for iteration, (x, y) in enumerate(batches(6)):
            for _ in range(3):
                second.zero_grad()
                cross_entropy(theirs(x), y).backward()
                second.step()
            first.zero_grad()
            loss = cross_entropy(ours(x), y)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=iteration)
            first.step()
    run = read(tmp_path)
    assert run[LOSS].steps.tolist() == list(range(6))
    assert "generator/0.weight" in run[GRADIENT_NORM].columns
    assert "critic/0.weight" in run[GRADIENT_NORM].columns
    assert set(run[GLOBAL_NORM].columns) == {"generator", "critic"}
    assert run[STEPS].column("critic")[~np.isnan(run[STEPS].column("critic"))].sum() == 18
    assert run[GLOBAL_NORM].steps[-1] == 5


def test_parameters_that_pause_come_late_or_are_frozen(tmp_path: Path) -> None:
    model = net()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for step, (x, y) in enumerate(batches(12)):
            if step == 4:
                model[0].requires_grad_(True)
                optimizer.add_param_group({"params": list(model[0].parameters())})
            if step == 8:
                model.append(nn.Linear(3, 3))
                optimizer.add_param_group({"params": list(model[4].parameters())})
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()
    run = read(tmp_path)
    table = run[GRADIENT_NORM]
    recorded = {name: (~np.isnan(table.column(name))).sum() for name in table.columns}
    assert recorded == {
        "0.weight": 8, "0.bias": 8, "3.weight": 12, "3.bias": 12, "4.weight": 4, "4.bias": 4,
    }  # fmt: skip
    assert len(run[LEARNING_RATE].columns) == 3


def lbfgs(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4)


OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "sgd": lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
    "adam": lambda m: torch.optim.Adam(m.parameters(), lr=0.01),
    "adam foreach": lambda m: torch.optim.Adam(m.parameters(), lr=0.01, foreach=True),
    "adam fused": lambda m: torch.optim.Adam(m.parameters(), lr=0.01, fused=True),
    "adafactor": lambda m: torch.optim.Adafactor(m.parameters(), lr=0.01),
    "lbfgs": lbfgs,
}


def train(model: nn.Module, optimizer: torch.optim.Optimizer, writer: Any, steps: int = 50) -> Any:
    """Losses and the state of the random generators, after a training that draws random numbers."""
    losses = []
    for step, (x, y) in enumerate(batches(steps)):

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)  # noqa: B023
            loss.backward()
            return loss

        if isinstance(optimizer, torch.optim.LBFGS):
            loss = optimizer.step(closure)
        else:
            loss = closure()
            if writer is not None and step % 2:
                writer.clip_grad_norm_(model.parameters(), 0.5)
            elif step % 2:
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
        if writer is not None:
            writer.add_diagnostics(loss=loss)
        losses.append(loss.detach().clone())
    return torch.stack(losses), torch.get_rng_state()


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("every", ["auto", 7])
def test_the_training_is_the_same_bit_for_bit(tmp_path: Path, kind: str, every: int | str) -> None:
    plain, watched = net(dropout=0.2), net(dropout=0.2)
    torch.manual_seed(3)
    expected = train(plain, OPTIMIZERS[kind](plain), None)
    torch.manual_seed(3)
    optimizer = OPTIMIZERS[kind](watched)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(watched, optimizer, every=every)
        found = train(watched, optimizer, writer)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    for a, b in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(a, b)
    assert GRADIENT_NORM in read(tmp_path)


def test_the_watched_model_and_optimizer_can_be_copied_and_saved(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters())
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for x, y in batches(3):
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()
            copy.deepcopy(model), copy.deepcopy(optimizer)
            torch.save([model, optimizer], io.BytesIO())


def test_a_removed_watch_observes_nothing_more(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        with writer.watch(model, optimizer):
            train(model, optimizer, None, 3)
        train(model, optimizer, None, 3)
    assert read(tmp_path)[GRADIENT_NORM].steps.tolist() == [0, 1, 2]
    assert not optimizer._optimizer_step_pre_hooks


def test_an_error_of_the_user_passes_through(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)

        def closure() -> Tensor:
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            optimizer.step(closure)
        train(model, optimizer, None, 3)
    assert len(read(tmp_path)[GRADIENT_NORM]) == 3


def test_a_failing_collector_is_switched_off_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no luck")

    monkeypatch.setattr("tb_lossdiag.collect.watch.gradient_norms.plain", broken)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        with pytest.warns(RuntimeWarning, match="gradient collector failed") as seen:
            train(model, optimizer, writer, 4)
    assert len(seen) == 1
    run = read(tmp_path)
    assert len(run[LOSS]) == 4
    assert run.facts["failed gradient"] == "OSError: no luck"


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"every": 0}, ValueError, "every"),
    ({"every": "often"}, ValueError, "every"),
    ({"every": None}, TypeError, "every"),
    ({"decompose": -1}, ValueError, "decompose"),
    ({"decompose": 1.5}, ValueError, "decompose"),
    ({"budget_mb": 0}, ValueError, "budget_mb"),
    ({"budget_mb": "32"}, TypeError, "budget_mb"),
    ({"scaler": object()}, TypeError, "scaler"),
    ({"model": object()}, TypeError, "model"),
    ({"model": nn.ReLU()}, ValueError, "model"),
    ({"optimizer": object()}, TypeError, "optimizer"),
]


@pytest.mark.parametrize(("arguments", "error", "named"), BAD)
def test_wrong_input_is_refused_by_name(
    tmp_path: Path, arguments: dict[str, Any], error: type[Exception], named: str
) -> None:
    model = net()
    given = {"model": model, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1)}
    with SummaryWriter(tmp_path) as writer, pytest.raises(error, match=named):
        writer.watch(**{**given, **arguments})


def test_nothing_of_ours_stays_installed_once_the_writer_is_closed(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        train(model, optimizer, None, 1)  # the next step's check-up has begun
        assert torch._C._len_torch_function_stack() == 1
    assert torch._C._len_torch_function_stack() == 0
    assert not optimizer._optimizer_step_pre_hooks
