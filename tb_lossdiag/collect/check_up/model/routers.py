"""Which experts a router chooses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.values import Facts, is_real
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.quantities import (
    ROUTER_ENTROPY,
    ROUTER_EXPERTS,
    ROUTER_IDLE,
    ROUTER_MOST,
    ROUTER_PER_EXPERT,
)

_FEWEST, _MOST = 4, 512
"""Experts; of fewer there is little to say, more are no experts."""
_DIMENSIONS = (2, 3)
"""Of what a router is given: tokens and experts, or samples, tokens and experts."""
_MATRICES = 3
"""Dimensions of a parameter that holds a matrix for each expert."""
_IDLE = 0.01
_ROUNDED = 0.02
"""What a sum of shares may be off; half precision is off by less than a hundredth."""


def router_facts(call: FunctionCall, around: Sequence[nn.Module]) -> Facts:
    """How tokens are spread over experts; nothing where the module that chooses has none.

    Args:
        call: of `topk` or `max`, which has returned.
        around: the modules that are under way there: who called the one that chooses, and that one.
    """
    given, chosen = call.args[0] if call.args else None, getattr(call.result, "indices", None)
    if not is_real(given) or not isinstance(chosen, Tensor) or given.dim() not in _DIMENSIONS:
        return {}
    count, best = given.shape[-1], call.name == "max"
    place = 1 if best else 2
    along = call.kwargs.get("dim", call.args[place] if len(call.args) > place else -1)
    fits = _FEWEST <= count <= _MOST and along in (-1, given.dim() - 1)
    # The best alone is looked for in many ways: as a router does, of shares that can be learned, in the module that has the experts.
    fits &= _learned_shares(given) if best else chosen.shape[-1] < count
    has = any(_lists(part, count) for part in _near(around[-1:]))
    has |= not best and any(_holds(part, count) for part in _near(around))
    if not fits or not has:
        return {}
    return load_facts(torch.bincount(chosen.detach().reshape(-1).cpu(), minlength=count))


def _learned_shares(given: Tensor) -> bool:
    """Whether they carry a gradient, and add up to 1."""
    return given.requires_grad and bool((given.detach().sum(-1) - 1).abs().max() < _ROUNDED)


def load_facts(counts: Any) -> Facts:
    """The same of numbers of tokens, one for each expert."""
    load = torch.as_tensor(counts).detach().double().cpu().reshape(-1)
    fair = float(load.mean())
    if len(load) < _FEWEST or not 0 < fair < math.inf or bool((load < 0).any()):
        return {}
    shares = load / load.sum()
    return {
        ROUTER_EXPERTS: float(len(load)),
        ROUTER_PER_EXPERT: fair,
        ROUTER_MOST: float(load.max()) / fair,
        ROUTER_IDLE: float((load < _IDLE * fair).double().mean()),
        ROUTER_ENTROPY: float(torch.special.entr(shares).sum()) / math.log(len(load)),
    }


def _near(around: Sequence[nn.Module]) -> Iterator[nn.Module]:
    """These modules and what they hold."""
    for module in around:
        yield module
        yield from module.children()


def _holds(module: nn.Module, count: int) -> bool:
    """Whether it has so many experts: modules in a list, or matrices in one parameter."""
    if _lists(module, count):
        return True
    own = parameters_in(module, recurse=False)
    return any(p.dim() >= _MATRICES and p.shape[0] == count for p in own)


def _lists(module: nn.Module, count: int) -> bool:
    return isinstance(module, nn.ModuleList) and len(module) == count
