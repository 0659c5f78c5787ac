"""The states of all random number generators that a forward pass may draw from."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

_Restore = Callable[[], Any]


def saved() -> Callable[[], None]:
    """Keep the states of torch's generators (host and devices), numpy's and Python's; call the result to restore them."""
    states: list[_Restore] = [_torch(generator) for generator in _generators()]
    states += [_numpy(), _python()]

    def restore() -> None:
        for each in states:
            each()

    return restore


@contextlib.contextmanager
def untouched() -> Iterator[Callable[[], None]]:
    """All generators are afterwards as they were before; gives what restores them in between."""
    restore = saved()
    try:
        yield restore
    finally:
        restore()


def of(generator: Any) -> Callable[[], Any] | None:
    """Puts a generator back that lies somewhere in the user's code; None for what is none."""
    if isinstance(generator, torch.Generator):
        return _torch(generator)
    if isinstance(generator, np.random.Generator):
        bits, state = generator.bit_generator, generator.bit_generator.state
        return lambda: setattr(bits, "state", state)
    if isinstance(generator, np.random.RandomState):
        before = generator.get_state()
        return lambda: generator.set_state(before)
    if isinstance(generator, random.Random):
        known = generator.getstate()
        return lambda: generator.setstate(known)
    return None


def _generators() -> Iterator[torch.Generator]:
    """The host's, and those of devices that are in use: asking others would initialise them."""
    yield torch.default_generator
    for name in ("cuda", "xpu"):
        device = getattr(torch, name, None)
        if device is not None and device.is_initialized():
            yield from device.default_generators
    if torch.backends.mps.is_available() and torch.mps.current_allocated_memory():
        yield torch.mps._get_default_mps_generator()  # noqa: SLF001  (its public face copies the state as well)


def _torch(generator: torch.Generator) -> _Restore:
    state = generator.get_state()
    return lambda: generator.set_state(state)


def _numpy() -> _Restore:
    state = np.random.get_state()  # noqa: NPY002  (the user's own)
    return lambda: np.random.set_state(state)  # noqa: NPY002


def _python() -> _Restore:
    state = random.getstate()
    return lambda: random.setstate(state)
