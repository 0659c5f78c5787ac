"""When a device has come so far: moments of its own clock, noted without waiting for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from tb_lossdiag.collect.state.processor import Moment, now

Mark = Callable[[], Any]
"""Notes a moment."""


def marks(device: torch.device) -> Mark | None:
    """What notes moments of a device, None where PyTorch gives no clock of it. The host's are those of the thread that asks."""
    if device.type == "cpu":
        return now
    return next((partial(_noted, make) for make in _makers(device) if _tells(make)), None)


def between(first: Any, second: Any) -> float:
    """Seconds between two moments of one device; waits until it has come to the second."""
    if isinstance(first, Moment):
        return float(second.since(first))
    second.synchronize()
    return float(first.elapsed_time(second)) / 1e3


def _makers(device: torch.device) -> Iterator[Mark]:
    """What makes events of a device: PyTorch's for all devices, where there is one, else its module's own."""
    if (event := getattr(torch, "Event", None)) is not None:
        yield partial(event, device, enable_timing=True)
    module = getattr(torch, device.type, None)
    for place in (module, getattr(module, "event", None)):  # as torch.mps has it
        if (event := getattr(place, "Event", None)) is not None:
            yield partial(event, enable_timing=True)


def _noted(make: Mark) -> Any:
    event = make()
    event.record()
    return event


def _tells(make: Mark) -> bool:
    """Whether such events tell times."""
    try:
        first, second = _noted(make), _noted(make)
        return between(first, second) >= 0
    except Exception:  # noqa: BLE001  (each backend refuses in its own way)
        return False
