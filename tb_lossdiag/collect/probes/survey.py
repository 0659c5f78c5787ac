"""What a model holds: how much of it there is to copy, and what stands in the way of a copy."""

from __future__ import annotations

import functools
import io
import random
import threading
import types
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.probes.closures import PLAIN, harmless, reached
from tb_lossdiag.collect.probes.outside import outside

_MOST = 100_000
"""Objects that are looked at."""
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
        modules: (where it is, module) of all; also those in lists, and those that only functions hold.
        functions: attributes of modules that are functions which hold some of it, in the order in which they were found.
    """

    bytes: int = 0
    obstacle: str = ""
    tensors: dict[int, Tensor] = field(default_factory=dict)
    shared: dict[int, Any] = field(default_factory=dict)
    draws: bool = False
    modules: list[tuple[str, nn.Module]] = field(default_factory=list)
    functions: list[tuple[nn.Module, str]] = field(default_factory=list)


def survey(root: nn.Module) -> Survey:
    """Look at all that a model holds, without copying or changing any of it."""
    found = Survey()
    waiting: deque[tuple[str, Any]] = deque([("model", root)])
    known: set[int] = set()
    while waiting and not found.obstacle:
        path, value = waiting.popleft()
        found.draws |= isinstance(value, _DRAWS)
        if isinstance(value, PLAIN) or id(value) in known:
            continue
        known.add(id(value))
        if len(known) > _MOST:
            found.obstacle = f"more than {_MOST} objects"
        else:
            waiting.extend(_look(path, value, found))
    found.obstacle = found.obstacle or outside([module for _, module in found.modules])
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
    elif isinstance(value, nn.Module):
        found.modules.append((path, value))
        yield from _held_by(path, value, found)
    elif not isinstance(value, types.FunctionType):
        yield from _parts(path, value)


def _held_by(path: str, module: nn.Module, found: Survey) -> Iterator[tuple[str, Any]]:
    """What a module holds; functions among its attributes are made anew in a copy, so it is asked what those hold."""
    for name, part in _attributes(module).items():
        own = isinstance(part, types.FunctionType) and vars(module).get(name) is part
        if own and not harmless(part):
            found.functions.append((module, name))
            yield from ((f"{path}.{name}", held) for held in reached(part))
        else:
            yield f"{path}.{name}", part


def _obstacle(value: Any) -> str | None:
    """Why it cannot be copied, or None."""
    if isinstance(value, types.FunctionType):
        return None if harmless(value) else "a function that holds what the model works with"
    if isinstance(value, torch.jit.ScriptModule):
        return "compiled"
    held = isinstance(value, _HELD) or hasattr(type(value), "__del__")
    return f"a {type(value).__name__}" if held else None


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
