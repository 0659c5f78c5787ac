"""A call that gives nothing but a loss and its terms leaves the records that the whole way leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.tiny_trainings import backward, model, read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.call.plain_loss import PlainLoss
from tb_lossdiag.quantities import AMP_SKIPPED
from tb_lossdiag.run import Run

STEPS = 30
CLOCK = {"step_seconds", "own_seconds"}
NAN = float("nan")
Give = Callable[[torch.Tensor, int], dict[str, Any]]

GIVEN: dict[str, Give] = {
    "a tensor": lambda loss, _: {"loss": loss},
    "a number": lambda loss, _: {"loss": float(loss)},
    "a whole number": lambda loss, _: {"loss": int(loss)},
    "one element": lambda loss, _: {"loss": loss.reshape(1)},
    "several elements": lambda loss, _: {"loss": loss * torch.ones(3)},
    "double": lambda loss, _: {"loss": loss.double()},
    "numbered": lambda loss, step: {"loss": loss, "global_step": 3 * step + 5},
    "numbered now and then": lambda loss, step: (
        {"loss": loss, "global_step": step} if step % 4 == 0 else {"loss": loss}
    ),
    "numbered anew": lambda loss, step: {"loss": loss, "global_step": step % 10},
    "terms": lambda loss, _: {
        "loss": loss,
        "loss_terms": {"a": loss.detach(), "b": (loss, 0.5), "c": (2.0, 3), "d": 1.0},
    },
    "weighted terms": lambda loss, step: {
        "loss": loss,
        "loss_terms": {"a": loss, "b": (loss, 0.5 + step)},
    },
    "not finite": lambda loss, step: {
        "loss": loss * (NAN if step == 7 else 1),
        "loss_terms": {"a": NAN if step == 9 else 1.0},
    },
    "more now and then": lambda loss, step: {
        "loss": loss,
        "extra": {"own": 1.0} if step % 3 == 0 else None,
    },
    "validated": lambda loss, step: {
        "loss": loss,
        "phase": "validation" if step % 5 == 4 else "train",
    },
}


def train(folder: Path, give: Give, *, after: bool) -> Run:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with SummaryWriter(folder) as writer:
        writer.watch(net, optimizer, check_up=False)
        for step in range(STEPS):
            optimizer.zero_grad()
            loss = backward(net, step)
            if after:
                optimizer.step()
            writer.add_diagnostics(**give(loss, step))
            if not after:
                optimizer.step()
    return read(folder)


def amp_train(folder: Path, *, named: bool) -> Run:
    """A scaler skips some steps, and not every call comes at a step."""
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=6)
    with SummaryWriter(folder) as writer:
        writer.watch(net, optimizer, scaler=scaler, check_up=False)
        for step in range(STEPS):
            backward(net, step)
            for parameter in net.parameters():
                if parameter.grad is not None:
                    parameter.grad *= float(scaler.scale(torch.ones(()))) * (1 if step % 5 else NAN)
            scaler.step(optimizer)
            scaler.update()
            if step % 7 != 3:
                writer.add_diagnostics(loss=1.0, **({"global_step": step} if named else {}))
    return read(folder)


def clip_train(folder: Path, *, named: bool, often: int) -> Run:
    """Gradients are clipped before each call, some twice; a step follows every so many."""
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with SummaryWriter(folder) as writer:
        writer.watch(net, optimizer, check_up=False)
        for step in range(STEPS):
            loss = backward(net, step)
            writer.clip_grad_norm_(net.parameters(), 0.5)
            if step % 7 == 5:
                writer.clip_grad_norm_(net.parameters(), 0.1)
            writer.add_diagnostics(loss=loss, **({"global_step": step} if named else {}))
            if step % often == 0:
                optimizer.step()
                optimizer.zero_grad()
    return read(folder)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("given", GIVEN)
def test_records_are_those_of_the_whole_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, after: bool
) -> None:
    taken = list[bool]()
    plain = PlainLoss.take

    def counted(self: PlainLoss, *those: Any) -> bool:
        taken.append(plain(self, *those))
        return taken[-1]

    monkeypatch.setattr(PlainLoss, "take", counted)
    found = train(tmp_path / "plain", GIVEN[given], after=after)
    assert any(taken) == (given not in {"a whole number", "several elements", "terms"})
    monkeypatch.setattr(PlainLoss, "take", lambda *_: False)
    expected = train(tmp_path / "whole", GIVEN[given], after=after)
    assert_alike(found, expected)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("often", [1, 3])
def test_clips_before_a_call_are_those_of_the_whole_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool, often: int
) -> None:
    found = clip_train(tmp_path / "plain", named=named, often=often)
    monkeypatch.setattr(PlainLoss, "take", lambda *_: False)
    assert_alike(found, clip_train(tmp_path / "whole", named=named, often=often))


@pytest.mark.parametrize("named", [False, True])
def test_steps_that_a_scaler_skips_are_those_of_the_whole_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    found = amp_train(tmp_path / "plain", named=named)
    monkeypatch.setattr(PlainLoss, "take", lambda *_: False)
    expected = amp_train(tmp_path / "whole", named=named)
    assert_alike(found, expected)
    assert np.nansum(found[AMP_SKIPPED].values) == STEPS / 5


def assert_alike(found: Run, expected: Run) -> None:
    """All records, but for the clock's, are the same."""
    assert found.tables.keys() == expected.tables.keys()
    for name, table in expected.tables.items():
        assert found.tables[name].columns == table.columns, name
        np.testing.assert_array_equal(found.tables[name].steps, table.steps, name)
        if name not in CLOCK:
            np.testing.assert_array_equal(found.tables[name].values, table.values, name)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"loss": "x"}, TypeError),
        ({"loss": torch.empty(0)}, ValueError),
        ({"loss": 1.0, "loss_terms": {}}, ValueError),
        ({"loss": 1.0, "loss_terms": {"a": (1.0,)}}, TypeError),
        ({"loss": 1.0, "loss_terms": {3: 1.0}}, TypeError),
        ({"loss": 1.0, "global_step": -1}, ValueError),
        ({"loss": 1.0, "global_step": 2**63}, ValueError),
        ({"loss": torch.tensor(1j)}, TypeError),
    ],
)
def test_what_is_wrong_is_refused_as_before(
    tmp_path: Path, wrong: dict[str, Any], error: type[Exception]
) -> None:
    net = model()
    with SummaryWriter(tmp_path) as writer:
        writer.watch(net, torch.optim.SGD(net.parameters(), lr=0.01), check_up=False)
        with pytest.raises(error):
            writer.add_diagnostics(**wrong)
