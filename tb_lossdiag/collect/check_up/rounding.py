"""Whether steps get lost in the rounding of half-precision weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts, scattered
from tb_lossdiag.quantities import STUCK_SHARE

_HALF = (torch.float16, torch.bfloat16)
_LOOKED_AT = 256
"""Elements of a parameter that are remembered."""


class _Remembered(NamedTuple):
    parameter: Tensor
    size: int
    places: Tensor
    values: Tensor


class Rounding:
    """Some elements of the half-precision parameters that an optimizer holds, as its first check-up found them.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._first: list[_Remembered] | None = None

    def before_step(self) -> None:
        """Remember them, once."""
        if self._first is None:
            held = {id(p) for p in self._subject.held()}
            trained = [p for p in self._subject.trainable() if id(p) in held]
            self._first = [_remember(p) for p in trained if p.dtype in _HALF and p.numel()]

    def facts(self) -> Facts:
        """Share of those with a gradient that have still the same value."""
        counts = [_count(*each) for each in self._first or ()]
        pulled = [count for count in counts if count is not None]
        if not pulled:
            return {}
        same, all_ = torch.stack([count.to(pulled[0].device) for count in pulled]).sum(0).unbind()
        return {STUCK_SHARE: torch.where(all_ > 0, same / all_, torch.nan)}


def _remember(parameter: Tensor) -> _Remembered:
    places = scattered(parameter.numel(), _LOOKED_AT, parameter.device)
    return _Remembered(parameter, parameter.numel(), places, _at(parameter, places).clone())


def _count(parameter: Tensor, size: int, places: Tensor, before: Tensor) -> Tensor | None:
    """float[2]: how many elements with a gradient are the same, and how many there are; None where nothing can be compared."""
    grad = parameter.grad
    if grad is None or grad.layout is not torch.strided or parameter.numel() != size:
        return None
    if (parameter.dtype, parameter.device) != (before.dtype, before.device):
        return None  # the model was moved
    pulled = _at(grad, places) != 0
    same = (_at(parameter, places) == before) & pulled
    return torch.stack([same.sum(), pulled.sum()]).float()


def _at(tensor: Tensor, places: Tensor) -> Tensor:
    return tensor.detach().reshape(-1)[places]
