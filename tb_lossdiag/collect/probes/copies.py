"""A copy of a model without hooks, in eval() or as it is."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from tb_lossdiag.collect.probes.closures import Rebinding
from tb_lossdiag.collect.probes.survey import HOOKS, Survey


def copied(
    root: nn.Module, found: Survey, *, training: bool = False
) -> tuple[nn.Module, list[tuple[str, nn.Module]]]:
    """(the copy, (name, module) of all of its modules): tensors are detached clones without gradients, hooks are left out.

    Modules that are not registered have the name of the place where they are.

    Args:
        root: the model.
        found: what it holds.
        training: leave the modes as they are; else all is in eval().
    """
    ordinary = {i: t for i, t in found.tensors.items() if _ordinary(t)}
    memo: dict[int, Any] = {**found.shared, **{i: _clone(t) for i, t in ordinary.items()}}
    for _, module in found.modules:
        memo |= {id(vars(module)[n]): type(vars(module)[n])() for n in HOOKS if n in vars(module)}
    new = copy.deepcopy(root, memo)
    rebinding = Rebinding(memo)
    for module, name in found.functions:
        vars(memo[id(module)])[name] = rebinding.copied(vars(module)[name])
    if not training:
        new.eval()
    registered = {id(module) for module in root.modules()}
    others = [(path, memo[id(m)]) for path, m in found.modules if id(m) not in registered]
    return new, [*new.named_modules(), *others]


def _ordinary(tensor: Tensor) -> bool:
    return type(tensor) in {Tensor, nn.Parameter}


def _clone(tensor: Tensor) -> Tensor:
    new = tensor.detach().clone()
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(new, requires_grad=tensor.requires_grad)
    return new
