"""Whether a step changed the parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.norms import gradient_norms
from tb_lossdiag.collect.check_up.values import Facts, scattered
from tb_lossdiag.quantities import UNCHANGED_SHARE

_LOOKED_AT = 1024
"""Elements of a parameter that are compared; besides them the one with the largest gradient, which moves if any does."""


class UnchangedShare:
    """Some elements of every trainable parameter before a step."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = [p for p in parameters if p.numel() and p.layout is torch.strided]
        self._places = [_places(p) for p in self._parameters]
        # A closure makes the gradients later; then a large parameter may have moved where nobody looked.
        self._sure = [p.numel() <= _LOOKED_AT or p.grad is not None for p in self._parameters]
        self._before = self._elements()

    def _elements(self) -> list[Tensor]:
        pairs = zip(self._parameters, self._places, strict=True)
        return [p.detach().reshape(-1)[places] for p, places in pairs]

    def facts(self) -> Facts:
        """Share of the parameters with a non-zero gradient that are the same as before."""
        norm = gradient_norms(self._parameters).each
        same, counts = [], []
        for parameter, old, new, sure in zip(
            self._parameters, self._before, self._elements(), self._sure, strict=True
        ):
            if id(parameter) in norm:
                device = norm[id(parameter)].device
                same.append((old == new).all().to(device))
                counts.append((norm[id(parameter)] != 0) & (~same[-1] | sure))
        if not same:
            return {}
        counted = torch.stack(counts)
        share = (torch.stack(same) & counted).sum() / counted.sum()
        return {UNCHANGED_SHARE: torch.where(counted.any(), share, math.nan)}


def _places(parameter: Tensor) -> Tensor:
    places = scattered(parameter.numel(), _LOOKED_AT, parameter.device)
    grad = parameter.grad
    if parameter.numel() <= _LOOKED_AT or grad is None or grad.layout is not torch.strided:
        return places
    return torch.cat([places, grad.detach().abs().argmax().reshape(1)])
