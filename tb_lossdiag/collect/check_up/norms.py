"""Gradient norms at one moment of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Value
from tb_lossdiag.collect.state.parameters import norms


@dataclass(frozen=True)
class Norms:
    """Gradient norms at one moment.

    Attributes:
        each: by id of the parameter, float[] on device.
        total: float[]: the global norm; 0 without gradients.
        stacked: float[P]: `each`, in its order; None without gradients.
    """

    each: dict[int, Tensor]
    total: Value
    stacked: Tensor | None = None

    def moved_since(self, before: Norms) -> Tensor | None:
        """bool[P]: which of them are others than before; None where they are not of the same parameters."""
        if self.stacked is None:
            return torch.zeros(0, dtype=torch.bool)
        if before.stacked is None:
            return self.stacked != 0
        return self.stacked != before.stacked if self.each.keys() == before.each.keys() else None


def gradient_norms(parameters: Sequence[Tensor]) -> Norms:
    """Norms of the gradients there are."""
    held = [p for p in parameters if p.grad is not None and p.grad.numel()]
    if not held:
        return Norms({}, 0.0)
    each = norms([p.grad for p in held if p.grad is not None])
    return Norms(dict(zip(map(id, held), each.unbind(), strict=True)), each.norm(), each)
