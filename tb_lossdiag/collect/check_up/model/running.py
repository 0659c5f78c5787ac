"""How far the running statistics of batch normalisation, which `eval()` uses, lie from the batches that `train()` uses, and how fast they follow."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.values import Facts, rows, wide
from tb_lossdiag.quantities import RUNNING_MOMENTUM, RUNNING_SCALE, RUNNING_SHIFT

_MODULES = 8
_VALUES = 16
"""Values per channel below which a batch's own mean says little."""
_SAMPLED = 4096
"""Samples that are looked at."""


class RunningStatistics:
    """Compares the first modules of a pass, before the pass moves what they remember."""

    def __init__(self) -> None:
        self._shift: list[Tensor] = []
        self._scale: list[Tensor] = []
        self._momentum: list[float] = []

    def compare(self, module: nn.Module, given: Tensor) -> None:
        """A module in train() is given this, real[N, C, ...]."""
        mean, var = (getattr(module, name, None) for name in ("running_mean", "running_var"))
        if len(self._shift) >= _MODULES or mean is None or var is None:
            return
        momentum = getattr(module, "momentum", None)  # None: the mean of all batches so far
        self._momentum += [] if momentum is None else [float(momentum)]
        if not given.is_floating_point() or given.numel() < _VALUES * given.shape[1]:
            return
        values = wide(rows(given.detach(), _SAMPLED)).movedim(1, 0).flatten(1)
        std, here = torch.std_mean(values, dim=1, correction=0)
        eps = float(getattr(module, "eps", 0.0))
        std, kept = (std.square() + eps).sqrt(), (wide(var) + eps).sqrt()
        self._shift.append(((wide(mean) - here).abs() / std).median())
        self._scale.append(torch.maximum(kept / std, std / kept).median())

    def facts(self) -> Facts:
        """The largest of each."""
        momentum: Facts = {RUNNING_MOMENTUM: max(self._momentum)} if self._momentum else {}
        if not self._shift:
            return momentum
        return momentum | {
            RUNNING_SHIFT: torch.stack(self._shift).max(),
            RUNNING_SCALE: torch.stack(self._scale).max(),
        }
