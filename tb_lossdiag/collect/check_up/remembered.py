"""What the batch normalisation of a second network remembers, beside that of the trained one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.values import Facts, wide
from tb_lossdiag.quantities import COPY_STATISTICS, COPY_STATISTICS_MOVED

_MODULES = 8
_Statistics = tuple[Tensor, Tensor, float]


class Remembered:
    """Compares the first modules of each copy, from one check-up to the next."""

    def __init__(self) -> None:
        self._first: dict[str, Tensor] = {}

    def facts(self, column: str, copy: nn.Module, original: nn.Module) -> Facts:
        """How far apart both are, and whether the copy's have moved; nothing where it remembers nothing, or takes the batch's own."""
        mine, other = (list(itertools.islice(_statistics(m), _MODULES)) for m in (copy, original))
        if not mine or len(mine) != len(other) or _awake(copy):
            return {}
        now = torch.cat([torch.stack([wide(mean), wide(var)]).flatten() for mean, var, _ in mine])
        first = self._first.setdefault(column, now)
        if first.shape != now.shape:
            first = self._first[column] = now
        apart = torch.stack([_apart(a, b) for a, b in zip(mine, other, strict=True)])
        return {COPY_STATISTICS: apart.max(), COPY_STATISTICS_MOVED: (first != now).any().float()}


def _statistics(module: nn.Module) -> Iterator[_Statistics]:
    """(mean, variance, epsilon) of each normalisation that remembers any."""
    for each in module.modules():
        mean, var = (getattr(each, name, None) for name in ("running_mean", "running_var"))
        if isinstance(mean, Tensor) and isinstance(var, Tensor):
            yield mean, var, float(getattr(each, "eps", 0.0))


def _awake(module: nn.Module) -> bool:
    return any(m.training for m in module.modules() if getattr(m, "running_mean", None) is not None)


def _apart(mine: _Statistics, other: _Statistics) -> Tensor:
    """float64[]: how far its means are off, in the trained one's standard deviations, and by how much more than once its spread: median over channels."""
    home = other[0].device
    mean, var = (wide(each.to(home)) for each in mine[:2])
    spread, kept = (wide(other[1]) + other[2]).sqrt(), (var + other[2]).sqrt()
    shift = ((mean - wide(other[0])).abs() / spread).median()
    return torch.maximum(shift, torch.maximum(kept / spread, spread / kept).median() - 1)
