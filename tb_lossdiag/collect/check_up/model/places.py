"""Places, counted one by one, that a half-precision format can't tell apart."""

from __future__ import annotations

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import PLACES_MERGED

_HALF = (torch.bfloat16, torch.float16)
_FEWEST, _MOST = 8, 2**16
"""Places of a row, and numbers in all."""


class Places:
    """The casts of one forward pass.

    Attributes:
        facts: the largest share of neighbours that became one number, where places were cast.
    """

    def __init__(self) -> None:
        self.facts: Facts = {}

    def casts(self, call: FunctionCall) -> None:
        """A tensor has become one of another type."""
        given, made = call.args[0] if call.args else None, call.result
        if not isinstance(given, Tensor) or not isinstance(made, Tensor):
            return
        if made.dtype in _HALF and given.dtype not in _HALF and _counted(given):
            merged = (made.detach().diff(dim=-1) == 0).float().mean()
            known = self.facts.get(PLACES_MERGED, 0.0)
            self.facts[PLACES_MERGED] = torch.maximum(merged, torch.as_tensor(known).to(merged))


def _counted(given: Tensor) -> bool:
    """Whether each row counts on by one."""
    plain = given.dim() > 0 and not given.is_complex() and given.dtype is not torch.bool
    if not plain or given.is_sparse or given.requires_grad:
        return False
    if given.shape[-1] < _FEWEST or not 0 < given.numel() <= _MOST:
        return False
    return bool((given.detach().diff(dim=-1) == 1).all())
