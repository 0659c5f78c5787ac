"""What a model holds: how much of it there is to copy, and what stands in the way of a copy."""

from __future__ import annotations

import functools
import io
import logging
import random
import threading
import types
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_MOST = 100_000
"""Objects that are looked at."""
_PLAIN = (
    type(None), bool, int, float, complex, str, bytes, type, range, slice, Enum, types.EllipsisType, types.BuiltinFunctionType,
    torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, torch.Generator, np.generic, np.dtype,
    np.random.Generator, np.random.RandomState, logging.Logger, random.Random,
)  # fmt: skip
"""What holds nothing else, or is copied as a whole."""
_HELD = (
    io.IOBase, weakref.ref, types.GeneratorType, types.CoroutineType, torch.optim.Optimizer, torch.utils.data.DataLoader,
    type(threading.Lock()), type(threading.RLock()), threading.Thread, torch.utils.hooks.RemovableHandle,
)  # fmt: skip
"""What a copy would share with the training, or cannot have."""
_DRAWS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
_OBJECT_STATE = getattr(object, "__getstate__", None)
HOOKS = tuple(name for name in vars(nn.Module()) if name.endswith("_hooks") or "_hooks_" in name)
"""The attributes of a module that hold hooks."""


@dataclass
class Survey:
    """What was found.

    Attributes:
        bytes: of all tensors and arrays.
        obstacle: what cannot be copied, and where it is; "" if nothing stands in the way.
        tensors: all tensors, by id.
        draws: whether there is a random number generator among it.
        shared: what a copy may share: Python's modules.
    """

    bytes: int = 0
    obstacle: str = ""
    tensors: dict[int, Tensor] = field(default_factory=dict)
    shared: dict[int, Any] = field(default_factory=dict)
    draws: bool = False


def survey(root: nn.Module) -> Survey:
    """Look at all that a model holds, without copying or changing any of it."""
    found = Survey()
    waiting: deque[tuple[str, Any]] = deque([("model", root)])
    known: set[int] = set()
    while waiting and not found.obstacle:
        path, value = waiting.popleft()
        found.draws |= isinstance(value, _DRAWS)
        if isinstance(value, _PLAIN) or id(value) in known:
            continue
        known.add(id(value))
        if len(known) > _MOST:
            found.obstacle = f"more than {_MOST} objects"
        else:
            waiting.extend(_look(path, value, found))
    return found


def _look(path: str, value: Any, found: Survey) -> Iterator[tuple[str, Any]]:
    """Take note of one object; what it holds."""
    if isinstance(value, Tensor):
        found.tensors[id(value)] = value
        found.bytes += value.numel() * value.element_size()
        if value.device.type == "meta" or type(value).__name__.startswith("Uninitialized"):
            found.obstacle = f"`{path}` has no values"
    elif isinstance(value, np.ndarray):
        found.bytes += value.nbytes
    elif isinstance(value, types.ModuleType):
        found.shared[id(value)] = value
    elif (why := _obstacle(value)) is not None:
        found.obstacle = f"`{path}` is {why}"
    elif not isinstance(value, types.FunctionType):
        yield from _parts(path, value)


def _obstacle(value: Any) -> str | None:
    """Why it cannot be copied, or None."""
    if isinstance(value, types.FunctionType):
        shared = any(not _harmless(held) for held in captured(value))
        return "a function that holds what the model works with" if shared else None
    if isinstance(value, torch.jit.ScriptModule):
        return "compiled"
    held = isinstance(value, _HELD) or hasattr(type(value), "__del__")
    return f"a {type(value).__name__}" if held else None


def captured(function: types.FunctionType) -> list[Any]:
    """What a function holds: a copy of it holds the very same."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if _full(cell)]
    return [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def _full(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # empty
        return False


def _harmless(value: Any, deep: int = 4) -> bool:
    """Whether sharing it shares nothing of the model."""
    if isinstance(value, types.FunctionType):
        return deep > 0 and all(_harmless(held, deep - 1) for held in captured(value))
    if isinstance(value, tuple):
        return deep > 0 and all(_harmless(held, deep - 1) for held in value)
    return isinstance(value, (*_PLAIN, torch.amp.autocast_mode.autocast, types.ModuleType))


def _parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        items = list(value.items())
        yield from ((f"{path}[…]", part) for pair in items for part in pair)
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        yield from ((f"{path}[…]", part) for part in value)
    elif isinstance(value, types.MethodType):
        yield from ((path, value.__self__), (path, value.__func__))
    elif isinstance(value, functools.partial):
        yield from ((path, value.func), (path, value.args), (path, value.keywords))
    yield from ((f"{path}.{name}", part) for name, part in _attributes(value).items())


def _attributes(value: Any) -> dict[str, Any]:
    """What a copy is given: what the object itself says, or all of its attributes."""
    own = getattr(type(value), "__getstate__", None)
    state = vars(value) if hasattr(value, "__dict__") else {}
    # A class with a copy of its own is not asked for its state; that of parametrised layers raises.
    copied = hasattr(type(value), "__deepcopy__")
    if own not in (None, _OBJECT_STATE) and isinstance(value, nn.Module) and not copied:
        told = value.__getstate__()
        state = told if isinstance(told, dict) else state
    names = [n for kind in type(value).__mro__ for n in _slots(kind) if hasattr(value, n)]
    slots = {name: getattr(value, name) for name in names}
    hooks = HOOKS if isinstance(value, nn.Module) else ()
    return {name: part for name, part in {**slots, **state}.items() if name not in hooks}


def _slots(kind: type) -> list[str]:
    names = vars(kind).get("__slots__", ())
    return [n for n in ([names] if isinstance(names, str) else names) if not n.startswith("__")]
