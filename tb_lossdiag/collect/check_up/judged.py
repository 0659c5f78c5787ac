"""What a judge beside the model is given: what the model made, and what it did not make, such as real pictures."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.source import source
from tb_lossdiag.collect.check_up.values import Facts, wide
from tb_lossdiag.quantities import (
    MADE_ASTRAY,
    MADE_SOURCE,
    REAL_HIGH,
    REAL_LOW,
    REAL_UNREACHED,
    Source,
)

_ENDS = {Source.TANH: (-1.0, 1.0), Source.SIGMOID: (0.0, 1.0)}
"""What these can give; what ends in something else is not looked at."""
_KEPT = 4
"""Tensors of each kind."""
_SLACK = 0.05
"""Share of a range by which a number may lie beyond it: rounding, and what interpolation makes of a picture."""
_TURNS = 2
"""Times that a judge must have been shown what was made as it is, in its own turn and in the maker's: some are shown noisy pictures in one of them."""
_FEWEST = 64
"""Numbers; of fewer the ends are chance."""


class Judged:
    """Follows one check-up: who is called beside the model, with what.

    Args:
        root: the model.
    """

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self.begin()

    def begin(self) -> None:
        """A check-up begins."""
        self._within: nn.Module | None = None
        self._made: list[Tensor] = []
        self._ends: tuple[float, float] | None = None
        self._source = Source.OTHER
        self._shown: Counter[int] = Counter()
        self._others: list[tuple[int, Tensor]] = []

    def entered(self, module: nn.Module, given: object) -> None:
        """A module is called; the outermost one counts."""
        if self._within is not None:
            return
        self._within = module
        first = next(tensors_in(given), None)
        if module is self._root or first is None or first.numel() < _FEWEST:
            return
        if any(_same(first, made) for made in self._made):
            self._shown[id(module)] += 1
        elif first.grad_fn is None and first.is_floating_point() and len(self._others) < _KEPT:
            self._others.append((id(module), first.detach()))

    def left(self, module: nn.Module, output: Any) -> None:
        """A module has returned this."""
        if module is not self._within:
            return
        self._within = None
        made = next(tensors_in(output), None) if module is self._root else None
        if made is None or len(self._made) >= _KEPT:
            return
        self._made.append(made.detach())
        if self._ends is None and made.grad_fn is not None:
            self._source = source(made.grad_fn)[0]
            self._ends = _ENDS.get(self._source)

    def facts(self) -> Facts:
        """How both fit together, where a judge was given both; asked before the step."""
        if self._ends is None or not self._made:
            return {}
        made = self._made[0]
        both = [t for judge, t in self._others if self._shown[judge] >= _TURNS]
        real = [t for t in both if _alike(t, made)]
        if not real:
            return {}
        numbers = torch.cat([wide(t).flatten() for t in real])
        low, high = numbers.min(), numbers.max()
        slack, room = _SLACK * (high - low), _SLACK * (self._ends[1] - self._ends[0])
        beyond = (numbers < self._ends[0] - room) | (numbers > self._ends[1] + room)
        mine = wide(made)
        astray = (mine < low - slack) | (mine > high + slack)
        return {
            MADE_SOURCE: float(self._source),
            REAL_LOW: low,
            REAL_HIGH: high,
            REAL_UNREACHED: beyond.float().mean(),
            MADE_ASTRAY: astray.float().mean(),
        }


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether they are the same numbers in the same memory."""
    return a.numel() == b.numel() and a.data_ptr() == b.data_ptr()


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape[1:] == b.shape[1:] and a.device == b.device
