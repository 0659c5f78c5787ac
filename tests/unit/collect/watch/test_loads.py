"""What `load_state_dict` is given while a writer is open."""

from __future__ import annotations

import copy
import io
import pickle
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.collect.watch import loads
from tb_lossdiag.quantities import NOTHING_LOADED, OWN_WEIGHTS

PLAIN = nn.Module.load_state_dict
Held = dict[str, torch.Tensor]


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def facts(folder: Path) -> dict[str, str]:
    return dict(read(folder).facts)


class Training:
    """Three epochs of two steps, each validated."""

    def __init__(self, folder: Path) -> None:
        self.writer, self.model, self.step = SummaryWriter(str(folder)), net(), 0
        self.optimizer = torch.optim.Adam(self.model.parameters())

    def train(self, keep: Callable[[nn.Module], object]) -> object:
        self.writer.watch(self.model, self.optimizer)
        kept = None
        for epoch in range(3):
            for _ in range(2):
                self.optimizer.zero_grad()
                loss = self.model(torch.randn(4, 3)).square().mean()
                loss.backward()
                self.writer.add_diagnostics(loss=loss, global_step=self.step)
                self.optimizer.step()
                self.step += 1
            self.writer.add_diagnostics(loss=1.0, phase="validation", global_step=self.step)
            if epoch == 0:
                kept = keep(self.model)
        return kept


def _saved(model: nn.Module) -> bytes:
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    return file.getvalue()


def _exchanged(model: nn.Module) -> Held:
    return {**model.state_dict(), "2.bias": torch.zeros(1)}


def test_its_own_weights_are_told(tmp_path: Path) -> None:
    training = Training(tmp_path)
    kept = training.train(lambda model: model.state_dict())
    training.model.load_state_dict(kept)  # type: ignore[arg-type]
    training.writer.close()
    assert facts(tmp_path)[OWN_WEIGHTS] == "6 6"


@pytest.mark.parametrize(
    ("keep", "load"),
    [
        (lambda m: copy.deepcopy(m.state_dict()), lambda m, kept: m.load_state_dict(kept)),
        (lambda m: {k: v.clone() for k, v in m.state_dict().items()}, lambda m, kept: m.load_state_dict(kept)),
        (_saved, lambda m, kept: m.load_state_dict(torch.load(io.BytesIO(kept)))),
        (_exchanged, lambda m, kept: m.load_state_dict(kept)),
        (lambda _: None, lambda m, _: m.load_state_dict(m.state_dict())),  # in one line: nobody held it
        (lambda m: m.state_dict(), lambda _, kept: net().load_state_dict(kept)),  # another model
        (lambda m: m.state_dict(), lambda m, _: m.load_state_dict(copy.deepcopy(m).state_dict())),
    ],
)  # fmt: skip
def test_other_loads_are_not_told(
    tmp_path: Path,
    keep: Callable[[nn.Module], object],
    load: Callable[[nn.Module, object], object],
) -> None:
    training = Training(tmp_path)
    kept = training.train(keep)
    load(training.model, kept)
    training.writer.close()
    assert not {OWN_WEIGHTS, NOTHING_LOADED} & set(facts(tmp_path))


def _prefixed(model: nn.Module) -> Held:
    return {f"module.{name}": value for name, value in model.state_dict().items()}


def _by_hand(model: nn.Module) -> None:
    model.load_state_dict(_prefixed(net()), strict=False)
    for own, given in zip(model.parameters(), net().parameters(), strict=True):
        own.data.copy_(given)


def _again(model: nn.Module) -> None:
    model.load_state_dict(_prefixed(net()), strict=False)
    model.load_state_dict(net().state_dict())


def _shards(model: nn.Module) -> None:
    for part in ({"0.weight": torch.zeros(4, 3)}, {"9.weight": torch.zeros(4, 3)}):
        model.load_state_dict(part, strict=False)


def test_names_that_do_not_fit_are_told_before_and_after_the_watch(tmp_path: Path) -> None:
    words = "9 module.0.weight 0.weight"
    for early in (True, False):
        training = Training(tmp_path / str(early))
        if early:
            training.model.load_state_dict(_prefixed(net()), strict=False)
        training.train(lambda _: None)
        if not early:
            training.model.load_state_dict(_prefixed(net()), strict=False)
        training.writer.close()
        assert facts(tmp_path / str(early))[NOTHING_LOADED] == words


@pytest.mark.parametrize(
    "load",
    [
        _by_hand,
        _again,
        _shards,
        lambda m: m.load_state_dict({}, strict=False),
        lambda m: m.load_state_dict({"0.weight": torch.zeros(4, 3), "head.weight": torch.zeros(1)}, strict=False),
        lambda m: net().load_state_dict(_prefixed(m), strict=False),
    ],
)  # fmt: skip
def test_what_is_loaded_in_the_end_is_not_told(
    tmp_path: Path, load: Callable[[nn.Module], object]
) -> None:
    training = Training(tmp_path)
    load(training.model)
    training.train(lambda _: None)
    training.writer.close()
    assert NOTHING_LOADED not in facts(tmp_path)


def test_it_is_torchs_own_again_and_models_are_pickled_without_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loads, "_hearers", weakref.WeakSet())  # another test's writer may be open
    monkeypatch.setattr(nn.Module, "load_state_dict", PLAIN)
    training = Training(tmp_path)
    assert nn.Module.load_state_dict is not PLAIN
    assert b"tb_lossdiag" not in pickle.dumps(training.model)
    with pytest.raises(RuntimeError, match="Missing key"):
        training.model.load_state_dict({})
    training.writer.close()
    assert nn.Module.load_state_dict is PLAIN


def test_what_fails_here_ends_no_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tb_lossdiag.collect.watch.loads.Loads.ended", None)
    training = Training(tmp_path)
    with pytest.warns(RuntimeWarning, match="loads collector failed"):
        training.model.load_state_dict(net().state_dict())
    training.writer.close()
