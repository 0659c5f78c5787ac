"""Which model an optimizer trains, and which scaler scales its loss, when nobody says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from tb_lossdiag.collect.state.alive import alive
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.optimizers import parameters_of


def holds(module: nn.Module, wanted: set[int]) -> bool:
    """Whether all of these parameters are the module's."""
    return wanted <= {id(p) for p in parameters_in(module)}


def model_of(optimizer: Any, near: nn.Module | None = None) -> nn.Module:
    """The smallest model that holds all of an optimizer's parameters, in its outermost wrapper.

    Args:
        optimizer: whose model is looked for.
        near: a module that is about to be called: asked first, since looking at every object takes tens of milliseconds.

    Returns:
        The model; a container of several if no one holds all. Nothing is stored on them.
    """
    wanted = {id(p) for p in parameters_of(optimizer)}
    if near is not None and holds(near, wanted):
        return near
    modules = [m for m in alive(nn.Module) if wanted & {id(p) for p in parameters_in(m)}]
    whole = [m for m in modules if holds(m, wanted)]
    if whole:
        least = min(sum(p.numel() for p in parameters_in(m)) for m in whole)
        return _outermost([m for m in whole if sum(p.numel() for p in parameters_in(m)) == least])
    return _together(optimizer, modules, wanted)


def _outermost(modules: list[nn.Module]) -> nn.Module:
    inside = {id(part) for m in modules for part in m.modules() if part is not m}
    return next((m for m in modules if id(m) not in inside), modules[0])


def _together(optimizer: Any, modules: list[nn.Module], wanted: set[int]) -> nn.Module:
    """A container of the largest modules that hold nothing else, and of the parameters that are in none."""
    own = [m for m in modules if {id(p) for p in parameters_in(m)} <= wanted]
    inside = {id(part) for m in own for part in m.modules() if part is not m}
    tops = [m for m in own if id(m) not in inside]
    together = nn.Module()
    for number, module in enumerate(tops):
        together.add_module(f"{type(module).__name__}_{number}", module)
    covered = {id(p) for p in parameters_in(together)}
    for number, tensor in enumerate(parameters_of(optimizer)):
        if id(tensor) not in covered and isinstance(tensor, nn.Parameter):
            together.register_parameter(f"parameter_{number}", tensor)
    return together


def scaler_alive() -> Any:
    """The one enabled `GradScaler` that exists; None without one, or with several."""
    kind = getattr(
        torch.amp, "GradScaler", torch.cuda.amp.GradScaler
    )  # before torch 2.3 the latter
    found = [s for s in alive(kind) if s.is_enabled()]
    return found[0] if len(found) == 1 else None


def unlike(names: Iterable[str], name: str) -> str:
    """A name that is none of these."""
    taken, number, tried = set(names), 2, name
    while tried in taken:
        tried, number = f"{name} {number}", number + 1
    return tried
