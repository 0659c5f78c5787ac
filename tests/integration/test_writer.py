"""The writer on real trainings: it changes nothing, refuses wrong input, and loses nothing when training dies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from helpers.tiny_trainings import backward, model, read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import (
    CLIP_AFTER_STEP,
    CLIP_BEFORE_UNSCALE,
    EXTRA,
    GRADIENT_NORM,
    LOSS,
    LOSS_TERM,
    Quantity,
)
from tb_lossdiag.records import Table


def table(logdir: Path, quantity: Quantity) -> Table:
    return read(logdir)[quantity]


def train(net: nn.Module, optimizer: torch.optim.Optimizer, writer: SummaryWriter | None) -> None:
    """50 steps with clipping, recorded or not."""
    for step in range(50):
        loss = backward(net, step)
        clip = writer.clip_grad_norm_ if writer else nn.utils.clip_grad_norm_
        clip(net.parameters(), 0.3)
        if writer:
            writer.add_diagnostics(
                net, optimizer=optimizer, loss=loss, loss_terms={"a": loss}, global_step=step
            )
        optimizer.step()


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_is_the_same_to_the_bit(
    make: Callable[[Any], torch.optim.Optimizer], tmp_path: Path
) -> None:
    bare, watched = model(), model()
    train(bare, make(bare.parameters()), None)
    random = torch.get_rng_state()
    torch.manual_seed(0)
    with SummaryWriter(tmp_path) as writer:
        before = torch.get_rng_state()
        train(watched, make(watched.parameters()), writer)
        assert torch.equal(before, torch.get_rng_state())
    torch.set_rng_state(random)
    for a, b in zip(bare.parameters(), watched.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("max_norm", [1e-3, 0.3, 1e3])
@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_clipping_equals_torch_to_the_bit(
    tmp_path: Path, max_norm: float, norm_type: float, dtype: torch.dtype
) -> None:
    ours, theirs = model(width=33).to(dtype), model(width=33).to(dtype)
    for net in (ours, theirs):
        for i, parameter in enumerate(net.parameters()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(i))
            parameter.grad = noise.to(dtype)
    with SummaryWriter(tmp_path) as writer:
        mine = writer.clip_grad_norm_(ours.parameters(), max_norm, norm_type)
    torchs = nn.utils.clip_grad_norm_(theirs.parameters(), max_norm, norm_type)
    assert torch.equal(mine, torchs)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.equal(a.grad, b.grad)


def test_clipping_passes_torchs_error_through(tmp_path: Path) -> None:
    net = model()
    backward(net)
    next(net.parameters()).grad[0] = float("nan")  # type: ignore[index]
    with (
        SummaryWriter(tmp_path) as writer,
        pytest.raises(RuntimeError, match="non-finite"),
    ):
        writer.clip_grad_norm_(net.parameters(), 1.0, error_if_nonfinite=True)


def test_norms_are_those_before_clipping(tmp_path: Path) -> None:
    reported, taken = model(), model()
    with SummaryWriter(tmp_path / "own") as own, SummaryWriter(tmp_path / "torch") as torchs:
        backward(taken)
        truth = [float(p.grad.norm()) for p in taken.parameters() if p.grad is not None]
        own.clip_grad_norm_(taken.parameters(), 0.01)
        own.add_diagnostics(taken, global_step=0)
        backward(reported)
        norm = nn.utils.clip_grad_norm_(reported.parameters(), 0.01)
        torchs.add_diagnostics(reported, clip=(norm, 0.01), global_step=0)
    for name in ("own", "torch"):
        values = table(tmp_path / name, GRADIENT_NORM).values[0]
        np.testing.assert_allclose(values, truth, rtol=1e-4)


@pytest.mark.parametrize(("late", "expected"), [(False, 0.0), (True, 1.0)])
@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("diagnostics_last", [True, False])
def test_a_clip_after_the_step_is_seen(
    tmp_path: Path, late: bool, expected: float, set_to_none: bool, diagnostics_last: bool
) -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        for step in range(6):
            optimizer.zero_grad(set_to_none=set_to_none)
            net(torch.ones(2, 4)).sum().backward()
            if not diagnostics_last:
                writer.add_diagnostics(net, optimizer=optimizer, global_step=step)
            if late:
                optimizer.step()
            writer.clip_grad_norm_(net.parameters(), 0.1)
            if diagnostics_last:
                writer.add_diagnostics(net, optimizer=optimizer, global_step=step)
            if not late:
                optimizer.step()
    seen = table(tmp_path, CLIP_AFTER_STEP).values[2:, 0]
    assert seen.tolist() == [expected] * len(seen)
    assert len(seen) >= 3


def test_steps_are_counted_when_none_is_given(tmp_path: Path) -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        for step in range(4):
            loss = backward(net, step)
            writer.add_diagnostics(net, optimizer=optimizer, loss=loss)
            optimizer.step()
            writer.add_diagnostics(loss=loss, phase="validation")
    run = read(tmp_path)
    assert run[LOSS].steps.tolist() == [0, 1, 2, 3]
    assert run.tables["validation_loss"].steps.tolist() == [0, 1, 2, 3]


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"loss": 1.0, "global_step": -1}, ValueError, "global_step"),
    ({"loss": 1.0, "global_step": float("nan")}, ValueError, "global_step"),
    ({"loss": 1.0, "global_step": 1.5}, ValueError, "global_step"),
    ({"loss": 1.0, "global_step": "3"}, TypeError, "global_step"),
    ({"loss": 1.0, "phase": "test"}, ValueError, "phase"),
    ({"loss": "low"}, TypeError, "loss"),
    ({"loss": torch.zeros(0)}, ValueError, "loss"),
    ({"loss": torch.zeros(1, dtype=torch.complex64)}, TypeError, "loss"),
    ({"loss_terms": {"a": "x"}}, TypeError, "loss_terms['a']"),
    ({"loss_terms": {"a": (1.0, 2.0, 3.0)}}, TypeError, "loss_terms['a']"),
    ({"loss_terms": {1: 1.0}}, TypeError, "loss_terms"),
    ({"loss_terms": [1.0]}, TypeError, "loss_terms"),
    ({"loss_terms": {}}, ValueError, "loss_terms"),
    ({"clip": 1.0}, TypeError, "clip"),
    ({"clip": (1.0, float("nan"))}, ValueError, "clip"),
    ({"extra": {"a": None}}, TypeError, "extra['a']"),
    ({"optimizer": object()}, TypeError, "optimizer"),
    ({"scaler": object()}, TypeError, "scaler"),
    ({"model": object()}, TypeError, "model"),
    ({"model": nn.ReLU()}, ValueError, "model"),
    ({"model": nn.Linear(1, 1)}, ValueError, "model"),
    ({"model": nn.Linear(1, 1), "phase": "validation"}, ValueError, "model"),
    ({"loss": 1.0, "walltime": float("inf")}, ValueError, "walltime"),
    ({"loss": 1.0, "walltime": "now"}, TypeError, "walltime"),
    ({}, ValueError, "nothing to record"),
]


@pytest.mark.parametrize(("arguments", "error", "named"), BAD)
def test_wrong_input_is_refused_by_name(
    tmp_path: Path, arguments: dict[str, Any], error: type[Exception], named: str
) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(error) as raised:
            writer.add_diagnostics(**{"global_step": 0, **arguments})
        assert named in str(raised.value)
        writer.add_diagnostics(loss=1.0, global_step=1)
    assert table(tmp_path, LOSS).steps.tolist() == [1]


def test_a_closed_writer_opens_again_for_who_uses_it(tmp_path: Path) -> None:
    """As torch's: `add_scalar` after `close` begins a new file."""
    writer = SummaryWriter(tmp_path)
    for step in range(6):
        writer.add_diagnostics(loss=float(step), global_step=step)
        if step % 2:
            writer.close()
            writer.close()
    assert table(tmp_path, LOSS).steps.tolist() == list(range(6))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_closed_writer_watches_again(tmp_path: Path) -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    writer = SummaryWriter(tmp_path)
    for first in (0, 5):
        writer.watch(net, optimizer)
        for step in range(first, first + 5):
            backward(net, step)
            writer.add_diagnostics(loss=1.0, global_step=step)
            optimizer.step()
        writer.close()
    assert table(tmp_path, GRADIENT_NORM).steps.tolist() == list(range(10))


def test_a_writer_that_opened_again_keeps_its_last_step(tmp_path: Path) -> None:
    writer = SummaryWriter(tmp_path)
    writer.close()
    writer.add_diagnostics(loss=1.0, global_step=3)
    del writer
    assert table(tmp_path, LOSS).steps.tolist() == [3]


def test_a_failing_collector_is_switched_off_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no luck")

    monkeypatch.setattr("tb_lossdiag.collect.watch.gradient_norms.norms", broken)
    net = model()
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            loss = backward(net, step)
            if step == 0:
                with pytest.warns(RuntimeWarning, match="gradient collector failed.*no luck"):
                    writer.add_diagnostics(net, loss=loss, global_step=step)
            else:
                writer.add_diagnostics(net, loss=loss, global_step=step)
    run = read(tmp_path)
    assert run[LOSS].steps.tolist() == [0, 1, 2]
    assert GRADIENT_NORM not in run


DYING = """
import sys, torch
from tb_lossdiag import SummaryWriter
writer = SummaryWriter(sys.argv[1])
for step in range(7):
    writer.add_diagnostics(loss=float(step), global_step=step)
raise SystemExit("the training died")
"""


def test_the_last_step_survives_a_training_that_dies(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "the training died" in done.stderr
    assert table(tmp_path, LOSS).steps.tolist() == list(range(7))


NO_TORCH = """
import sys
sys.modules["torch"] = None
import tb_lossdiag, tb_lossdiag.cli, tb_lossdiag.plugin.loader, tb_lossdiag.plugin.plugin
import tb_lossdiag.reader, tb_lossdiag.rules, tb_lossdiag.report.text
del sys.modules["torch"]
sys.meta_path.insert(0, type("Block", (), {"find_spec": staticmethod(lambda name, *_: exec(
    "raise ModuleNotFoundError('No module named torch', name='torch')") if name == "torch" else None)}))
try:
    tb_lossdiag.SummaryWriter
except ModuleNotFoundError as error:
    print(error)
"""


def test_looking_at_runs_needs_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "pip install 'tb-lossdiag[torch]'" in done.stdout


def test_a_clip_of_scaled_gradients_is_known_by_the_scaler_that_was_given(tmp_path: Path) -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    with SummaryWriter(tmp_path) as writer:
        for step in range(3):
            optimizer.zero_grad()
            loss = net(torch.ones(4, 4)).pow(2).mean()
            scaler.scale(loss).backward()
            writer.clip_grad_norm_(net.parameters(), 1.0)
            writer.add_diagnostics(
                net, optimizer=optimizer, scaler=scaler, loss=loss, global_step=step
            )
            scaler.step(optimizer)
            scaler.update()
    before = read(tmp_path)[CLIP_BEFORE_UNSCALE].column("clip")
    assert before[1:].tolist() == [1.0, 1.0]  # at the first clip no scaler had been given


def test_a_flush_after_the_end_opens_no_new_file(tmp_path: Path) -> None:
    """Lightning flushes and closes once more; TensorBoard's Python loader would read only the newest file."""
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    writer = SummaryWriter(tmp_path)
    writer.watch(model, optimizer)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    writer.close()
    optimizer.step()
    writer.flush()
    writer.close()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_name_that_no_file_can_hold_costs_nothing_but_itself(tmp_path: Path) -> None:
    bad = "\udc80"
    net = nn.ModuleDict({f"layer {bad}": nn.Linear(2, 1)})
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, optimizer, name=f"net {bad}")
        for step in range(3):
            loss = net[f"layer {bad}"](torch.ones(4, 2)).mean()
            loss.backward()
            writer.add_diagnostics(
                loss=loss,
                loss_terms={f"term {bad}": loss, "fit": loss},
                extra={f"own {bad}": 1.0},
                global_step=step,
            )
            optimizer.step()
        writer._recorder.say({f"fact {bad}": bad})
    run = read(tmp_path)
    assert run[LOSS].steps.tolist() == [0, 1, 2]
    assert run[LOSS_TERM].columns == (r"term \udc80", "fit")
    assert run[EXTRA].columns == (r"own \udc80",)
    assert run[GRADIENT_NORM].columns[0] == r"net \udc80/layer \udc80.weight"
    assert run.facts[r"fact \udc80"] == r"\udc80"
