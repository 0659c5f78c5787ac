"""Functions that modules hold as attributes, and copies of them that hold what the copy of the model holds.

`copy.deepcopy` copies a function by reference: a copy's `lambda x: m(x)` would run the original's own layer `m`, in train mode and with
its hooks.
"""

from __future__ import annotations

import copy
import functools
import logging
import random
import types
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
import torch

PLAIN = (
    type(None), bool, int, float, complex, str, bytes, type, range, slice, Enum, types.EllipsisType, types.BuiltinFunctionType,
    torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, torch.Generator, np.generic, np.dtype,
    np.random.Generator, np.random.RandomState, logging.Logger, random.Random,
)  # fmt: skip
"""What holds nothing else, or is copied as a whole."""
_MOST = 1000
"""Things that are looked at."""


def harmless(value: Any) -> bool:
    """Whether sharing it shares nothing of the model."""
    known: set[int] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if id(each) in known:
            continue
        known.add(id(each))
        if len(known) > _MOST or (parts := _parts(each)) is None:
            return False
        waiting += parts
    return True


def _parts(value: Any) -> list[Any] | None:
    """What something holds that may be shared if all of that may be; None for what may not."""
    if isinstance(value, types.FunctionType):
        return _captured(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, (*PLAIN, torch.amp.autocast_mode.autocast, types.ModuleType)):
        return []
    return _wrapped(value)


def _wrapped(value: Any) -> list[Any] | None:
    """The functions of an object around functions that is no more than that, as the one by which Accelerate makes outputs float32."""
    if not (callable(value) and hasattr(value, "__dict__")):
        return None
    held = [v for name, v in vars(value).items() if name not in functools.WRAPPER_ASSIGNMENTS]
    functions = [each for each in held if isinstance(each, types.FunctionType)]
    others = [each for each in held if not isinstance(each, (types.FunctionType, str))]
    return functions if functions and not others else None


def reached(function: types.FunctionType) -> list[Any]:
    """What a function holds that is none, and what the functions hold that it holds."""
    found: dict[int, Any] = {id(function): function}
    waiting = [function]
    while waiting:
        for held in _captured(waiting.pop()):
            if id(held) not in found:
                found[id(held)] = held
                waiting += [held] if isinstance(held, types.FunctionType) else []
    return [held for held in found.values() if not isinstance(held, types.FunctionType)]


def _captured(function: types.FunctionType) -> list[Any]:
    """What it holds itself: a copy by reference holds the very same."""
    cells = [content for _, content in _contents(function.__closure__ or ())]
    named = (function.__kwdefaults__ or {}).values()
    return [*cells, *(function.__defaults__ or ()), *named]


class Rebinding:
    """Makes functions anew, with variables of their own that hold copies.

    Args:
        memo: what `copy.deepcopy` has made of the model.
    """

    def __init__(self, memo: dict[int, Any]) -> None:
        self._memo = memo
        self._functions: dict[int, types.FunctionType] = {}
        self._cells: dict[int, types.CellType] = {}

    def copied(self, value: Any) -> Any:
        """The copy of a function, or of what one holds."""
        if not isinstance(value, types.FunctionType):
            return copy.deepcopy(value, self._memo)
        if harmless(value):
            return value
        return self._functions.get(id(value)) or self._made(value)

    def _made(self, function: types.FunctionType) -> types.FunctionType:
        old = function.__closure__ or ()
        empty = [cell for cell in old if id(cell) not in self._cells]
        self._cells |= {id(cell): types.CellType() for cell in empty}
        cells = tuple(self._cells[id(cell)] for cell in old)
        new = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, None, cells or None
        )
        self._functions[id(function)] = new  # before it is filled: a function may hold itself
        for cell, content in _contents(empty):
            self._cells[id(cell)].cell_contents = self.copied(content)
        if function.__defaults__ is not None:
            new.__defaults__ = tuple(self.copied(each) for each in function.__defaults__)
        named = function.__kwdefaults__ or {}
        new.__kwdefaults__ = {name: self.copied(each) for name, each in named.items()}
        vars(new).update(vars(function))
        return new


def _contents(cells: Sequence[types.CellType]) -> list[tuple[types.CellType, Any]]:
    return [(cell, cell.cell_contents) for cell in cells if not _empty(cell)]


def _empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # a variable that has no value yet
        return True
    return False
