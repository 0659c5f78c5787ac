"""Calls of dropout that drop in eval() because nobody told them the mode, or a module that eval() cannot reach."""

from __future__ import annotations

import ast
import linecache
import sys
import textwrap
from collections.abc import Collection
from types import FrameType
from typing import Any

from torch import nn
from torch.nn import functional
from torch.nn.modules.dropout import _DropoutNd as _Dropout

_TOLD = 3
"""Positional arguments of `dropout` that tell it the mode."""
_OWN = (functional.__file__, __file__)


def forgotten(name: str, args: Any, kwargs: Any) -> bool:
    """Whether this call drops something, and its caller said nothing of `training`; False where its text is not at hand."""
    if name == "scaled_dot_product_attention":
        share = kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)  # noqa: PLR2004
        return bool(share > 0)
    if not kwargs.get("training", False) or not kwargs.get("p", 0.0):
        return False
    call = _call(name)
    return call is not None and _silent(call)


def stranger(kwargs: Any, known: Collection[int]) -> nn.Module | None:
    """The module of dropout that makes this call, where it is none of those that are known, and drops something."""
    if not kwargs.get("training", False) or not kwargs.get("p", 0.0):
        return None
    frame = _caller()
    module = frame.f_locals.get("self") if frame is not None else None
    return module if isinstance(module, _Dropout) and id(module) not in known else None


def _caller() -> FrameType | None:
    """What called the function of torch that is running."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001
    while frame is not None and frame.f_code.co_filename != functional.__file__:
        frame = frame.f_back
    while frame is not None and frame.f_code.co_filename == functional.__file__:
        frame = frame.f_back
    return frame


def _call(name: str) -> ast.Call | None:
    """The caller's expression."""
    frame = _caller()
    if frame is None or f"{frame.f_globals.get('__name__', '')}.".startswith("torch."):
        return None
    try:
        tree = ast.parse(textwrap.dedent(_text(frame)).strip())
    except SyntaxError:
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return next((node for node in calls if _named(node.func) == name), None)


def _text(frame: FrameType) -> str:
    """The lines that are running."""
    first = last = frame.f_lineno
    if hasattr(frame.f_code, "co_positions"):
        spans = list(frame.f_code.co_positions())
        start, end, *_ = spans[frame.f_lasti // 2]
        first, last = start or first, end or last
        source = [linecache.getline(frame.f_code.co_filename, n) for n in range(first, last + 1)]
        return _cut("".join(source), spans[frame.f_lasti // 2])
    return linecache.getline(frame.f_code.co_filename, first)


def _cut(source: str, span: Any) -> str:
    """The expression alone."""
    start, end, left, right = span
    if None in span:
        return source
    lines = source.encode().splitlines()
    lines[end - start] = lines[end - start][:right]
    lines[0] = lines[0][left:]
    return b"\n".join(lines).decode()


def _named(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _silent(call: ast.Call) -> bool:
    told = any(keyword.arg in {None, "training"} for keyword in call.keywords)
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    return not told and not starred and len(call.args) < _TOLD
