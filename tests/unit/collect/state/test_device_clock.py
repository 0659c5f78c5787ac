"""Moments are taken of whatever clock PyTorch gives of a device; where it gives none, that is known beforehand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tb_lossdiag.collect.state.device_clock import between, marks
from tb_lossdiag.collect.state.processor import Moment

DEVICE = torch.device("xpu")


class Event:
    """Of a device whose clock goes on by 2 ms at each record."""

    clock = 0.0

    def __init__(self, *given: Any, enable_timing: bool = False) -> None:
        assert enable_timing
        self.given = given
        self.waited = False

    def record(self) -> None:
        Event.clock += 2.0
        self.at = Event.clock

    def synchronize(self) -> None:
        self.waited = True

    def elapsed_time(self, other: Event) -> float:
        assert other.waited
        return other.at - self.at


def refuse(*_: Any, **__: Any) -> Any:
    raise RuntimeError("PyTorch is not linked with support for xpu devices")


def test_the_host_has_the_clock_of_its_thread() -> None:
    mark = marks(torch.device("cpu"))
    assert mark is not None
    first, second = mark(), mark()
    assert isinstance(first, Moment)
    assert 0 <= between(first, second) < 1


def test_events_of_all_devices_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "Event", Event, raising=False)
    mark = marks(DEVICE)
    assert mark is not None
    first, second = mark(), mark()
    assert first.given == (DEVICE,)
    assert between(first, second) == pytest.approx(2e-3)


@pytest.mark.parametrize(
    "module", [SimpleNamespace(Event=Event), SimpleNamespace(event=SimpleNamespace(Event=Event))]
)
@pytest.mark.parametrize("there", [False, True])
def test_else_those_of_its_module(
    monkeypatch: pytest.MonkeyPatch, module: Any, there: bool
) -> None:
    """Whether PyTorch has none for all devices, or one that this device refuses."""
    if there:
        monkeypatch.setattr(torch, "Event", refuse, raising=False)
    else:
        monkeypatch.delattr(torch, "Event", raising=False)
    monkeypatch.setattr(torch, "xpu", module, raising=False)
    mark = marks(DEVICE)
    assert mark is not None
    first = mark()
    assert first.given == ()
    assert between(first, mark()) == pytest.approx(2e-3)


def test_a_device_without_a_clock_is_known_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "Event", refuse, raising=False)
    monkeypatch.setattr(torch, "xpu", SimpleNamespace(), raising=False)
    assert marks(DEVICE) is None
    assert marks(torch.device("meta")) is None
