"""What optimizers are called where a framework has several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.optimizers import parameters_of


def told_apart(module: nn.Module, optimizers: Sequence[Any]) -> list[str]:
    """A name for each optimizer: the innermost submodule that has all of its parameters, a number where that says nothing."""
    names = [_home(module, optimizer) for optimizer in optimizers]
    return [
        name if name and names.count(name) == 1 else f"optimizer {number}"
        for number, name in enumerate(names)
    ]


def _home(module: nn.Module, optimizer: Any) -> str:
    held = set(map(id, parameters_of(optimizer)))
    parts = [
        name
        for name, part in module.named_modules()
        if held <= {id(p) for p in parameters_in(part)}
    ]
    return max(parts, key=len, default="")


def part(module: nn.Module, name: str) -> nn.Module:
    """The submodule of that name, the module itself where it is none."""
    found = dict(module.named_modules()).get(name)
    return module if found is None else found
