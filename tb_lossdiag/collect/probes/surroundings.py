"""What a model's code may change beside the model: attributes of its classes, globals and variables of functions around it."""

from __future__ import annotations

import contextlib
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from tb_lossdiag.collect.probes import generators

_MOST = 500
"""Functions that are looked at."""
_SMALL = 2**20
"""Elements of a tensor that is kept."""
_LIBRARIES = ("torch.", "numpy.", "builtins.")
_CONTAINERS = (list, OrderedDict, dict, set, deque)


@contextlib.contextmanager
def unchanged(modules: Sequence[nn.Module]) -> Iterator[Callable[[], None]]:
    """What the forward pass of a copy counts or collects outside of it is undone; gives what undoes it in between."""
    undo = [_content(value) for value in _values(modules)] + list(_names(modules))

    def restore() -> None:
        for each in undo:
            each()

    try:
        yield restore
    finally:
        restore()


def _classes(modules: Sequence[nn.Module]) -> list[type]:
    kinds = {kind: None for module in modules for kind in type(module).__mro__}
    return [kind for kind in kinds if not f"{kind.__module__}.".startswith(_LIBRARIES)]


def functions(modules: Sequence[nn.Module]) -> list[types.FunctionType]:
    """Functions of the classes and those that are attributes of the modules, and those that they call by name."""
    members = [v for kind in _classes(modules) for v in vars(kind).values()]
    members += [v for m in modules for v in vars(m).values() if isinstance(v, types.FunctionType)]
    waiting = deque(f for member in members if (f := _function(member)) is not None)
    found: dict[int, types.FunctionType] = {}
    while waiting and len(found) < _MOST:
        function = waiting.popleft()
        if id(function) not in found:
            found[id(function)] = function
            waiting.extend(v for _, v in variables(function) if isinstance(v, types.FunctionType))
    return list(found.values())


def _function(member: Any) -> types.FunctionType | None:
    inner = getattr(member, "__func__", getattr(member, "fget", member))
    return inner if isinstance(inner, types.FunctionType) else None


def variables(function: types.FunctionType) -> list[tuple[str, Any]]:
    """Global variables whose names stand in a function; some of them may be names of attributes there."""
    known = function.__globals__
    if f"{known.get('__name__', '')}.".startswith(_LIBRARIES):
        return []
    names = (name for code in codes(function.__code__) for name in code.co_names)
    return [(name, known[name]) for name in names if name in known]


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code, and that of the functions within it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from codes(inner)


def _values(modules: Sequence[nn.Module]) -> list[Any]:
    """What holds something that could be changed in place."""
    called = functions(modules)
    found = [v for kind in _classes(modules) for v in vars(kind).values()]
    found += [v for function in called for _, v in variables(function)]
    found += [_held(cell) for function in called for cell in function.__closure__ or ()]
    return list({id(value): value for value in found}.values())


def _held(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty
        return None


def _names(modules: Sequence[nn.Module]) -> Iterator[Callable[[], None]]:
    """Names that could be given another value."""
    for kind in _classes(modules):
        plain = {n: v for n, v in vars(kind).items() if not n.startswith("__") and not callable(v)}
        yield _attributes(kind, plain)
    for function in functions(modules):
        yield _variables(function.__globals__, dict(variables(function)))
        for cell in function.__closure__ or ():
            yield _cell(cell, _held(cell))


def _attributes(kind: type, before: dict[str, Any]) -> Callable[[], None]:
    def restore() -> None:
        for name, value in before.items():
            if vars(kind).get(name) is not value:
                setattr(kind, name, value)

    return restore


def _variables(place: dict[str, Any], before: dict[str, Any]) -> Callable[[], None]:
    def restore() -> None:
        place.update({n: v for n, v in before.items() if place.get(n) is not v})

    return restore


def _cell(cell: types.CellType, before: Any) -> Callable[[], None]:
    def restore() -> None:
        if _held(cell) is not before:
            cell.cell_contents = before

    return restore


def _content(value: Any) -> Callable[[], None]:
    """Puts the content back into what holds it, if it is no longer the same."""
    if isinstance(value, _CONTAINERS):
        return _container(value)
    if (restore := generators.of(value)) is not None:
        return restore
    if isinstance(value, np.ndarray) and value.size <= _SMALL and value.flags.writeable:
        kept = value.copy()
        return lambda: np.copyto(value, kept)
    if isinstance(value, Tensor) and not value.requires_grad and value.numel() <= _SMALL:
        return _tensor(value)
    return lambda: None


def _container(value: Any) -> Callable[[], None]:
    """By the built-in type's own methods: a subclass's may make things of what it holds."""
    base: Any = next(kind for kind in _CONTAINERS if isinstance(value, kind))
    before = _inside(base, value)

    def restore() -> None:
        now = _inside(base, value)
        if len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True)):
            return
        base.clear(value)
        if not issubclass(base, dict):
            (base.update if base is set else base.extend)(value, before)
            return
        for key, each in zip(before[::2], before[1::2], strict=True):
            base.__setitem__(value, key, each)

    return restore


def _inside(base: Any, value: Any) -> list[Any]:
    """Its elements in order; of a dictionary keys and values by turns."""
    if not issubclass(base, dict):
        return list(base.__iter__(value))
    return [x for key in base.__iter__(value) for x in (key, dict.__getitem__(value, key))]


def _tensor(value: Tensor) -> Callable[[], None]:
    before, version = value.detach().clone(), value._version  # noqa: SLF001

    def restore() -> None:
        if value._version != version:  # noqa: SLF001
            value.data.copy_(before)

    return restore
