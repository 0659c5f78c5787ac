"""Clips that a framework does with torch's own functions, recorded as if the writer had done them."""

from __future__ import annotations

import functools
import inspect
import math
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.writer import SummaryWriter

_NORM, _VALUE = torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_
_recorders: weakref.WeakSet[TorchClips] = weakref.WeakSet()


class TorchClips:
    """Sends clips of some parameters by `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_` through a writer.

    The results are torch's, bit for bit. Other parameters' clips, and functions that were imported by name before, are left alone.

    Args:
        writer: records them; None: nothing is recorded yet, but who imports the functions by name from now on gets these.
        parameters: of the watched models.
    """

    def __init__(self, writer: SummaryWriter | None, parameters: Iterable[Tensor]) -> None:
        self.writer = writer
        self._held = {id(p) for p in parameters}
        if not _recorders:
            torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_ = _norm, _value
        weakref.finalize(self, _leave)  # first: what came last is called first
        _recorders.add(self)

    def holds(self, parameters: list[Tensor]) -> bool:
        """Whether one of its parameters is clipped."""
        return any(id(p) in self._held for p in parameters)

    def close(self) -> None:
        """Record no more."""
        _recorders.discard(self)
        _leave()


def _leave() -> None:
    """The functions are torch's own again when nobody records them."""
    if not _recorders:
        _put_back("clip_grad_norm_", _norm, _NORM)
        _put_back("clip_grad_value_", _value, _VALUE)


def _put_back(name: str, ours: Callable[..., Any], plain: Callable[..., Any]) -> None:
    if getattr(torch.nn.utils, name) is ours:
        setattr(torch.nn.utils, name, plain)


def _writer(parameters: list[Tensor]) -> SummaryWriter | None:
    return next((r.writer for r in _recorders if r.holds(parameters)), None)


def _again(parameters: Any) -> tuple[list[Tensor], Any]:
    """What is to be clipped, and the same for torch, which warns of an empty generator and of no other."""
    if isinstance(parameters, Tensor):
        return [parameters], parameters
    listed = list(parameters)
    return listed, (p for p in listed) if inspect.isgenerator(parameters) else listed


@functools.wraps(_NORM)
def _norm(
    parameters: Iterable[Tensor] | Tensor, max_norm: float, *given: Any, **named: Any
) -> Tensor:
    listed, plain = _again(parameters)
    writer = (
        None if max_norm == math.inf else _writer(listed)
    )  # a bound of infinity only asks for the norm
    if writer is None:
        return _NORM(plain, max_norm, *given, **named)
    return writer.clip_grad_norm_(listed, max_norm, *given, **named)


@functools.wraps(_VALUE)
def _value(parameters: Iterable[Tensor] | Tensor, *given: Any, **named: Any) -> None:
    listed, plain = _again(parameters)
    writer = _writer(listed)
    if writer is None:
        _VALUE(plain, *given, **named)
    else:
        writer.clip_grad_value_(listed, *given, **named)
