"""Whether a step changed the parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.gradients import gradient_norms
from tb_lossdiag.collect.check_up.values import Facts, scattered
from tb_lossdiag.quantities import UNCHANGED_SHARE

_LOOKED_AT = 1024
"""Elements of a parameter that are compared; besides them the one with the largest gradient, which moves if any does."""


class Snapshot:
    """Some elements of every trainable parameter before a step."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = [p for p in parameters if p.numel() and p.layout is torch.strided]
        self._places = [_places(p) for p in self._parameters]
        self._before = self._elements()

    def _elements(self) -> list[Tensor]:
        pairs = zip(self._parameters, self._places, strict=True)
        return [p.detach().reshape(-1)[places] for p, places in pairs]

    def facts(self) -> Facts:
        """Share of the parameters with a non-zero gradient that are the same as before."""
        norm = gradient_norms(self._parameters).each
        same, moved_by = [], []
        for parameter, old, new in zip(
            self._parameters, self._before, self._elements(), strict=True
        ):
            if id(parameter) in norm:
                same.append((old == new).all().to(norm[id(parameter)].device))
                moved_by.append(norm[id(parameter)])
        if not same:
            return {}
        counts = torch.stack(moved_by) != 0
        share = (torch.stack(same) & counts).sum() / counts.sum()
        return {UNCHANGED_SHARE: torch.where(counts.any(), share, math.nan)}


def _places(parameter: Tensor) -> Tensor:
    places = scattered(parameter.numel(), _LOOKED_AT, parameter.device)
    grad = parameter.grad
    if parameter.numel() <= _LOOKED_AT or grad is None or grad.layout is not torch.strided:
        return places
    return torch.cat([places, grad.detach().abs().argmax().reshape(1)])
