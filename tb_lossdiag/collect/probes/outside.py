"""Models that a model's code finds by a global name, not through itself: a copy's code would run these very ones."""

from __future__ import annotations

import dis
import types
from collections.abc import Sequence
from typing import Any

from torch import nn

from tb_lossdiag.collect.probes.surroundings import codes, functions, variables

_NAMED = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})


def outside(modules: Sequence[nn.Module]) -> str:
    """What stands in the way of a copy, in words: a global name by which its code calls a part of the model, or what has a state; else "".

    What has no state answers the copy as it would answer the model.
    """
    own = {id(module) for module in modules}
    for function in functions(modules):
        for name, value in variables(function):
            called = [m for each in _modules(value) for m in each.modules()]
            stateful = any(id(m) in own or _changes(m) for m in called)
            if stateful and name in _loaded(function.__code__):
                return f"`{name}` is a global name by which its code calls what a copy would share"
    return ""


def _modules(value: Any) -> list[nn.Module]:
    held = list(value) if type(value) in {list, tuple} else [value]
    held = list(value.values()) if type(value) is dict else held
    return [each for each in held[:100] if isinstance(each, nn.Module)]


def _changes(module: nn.Module) -> bool:
    hooks = vars(module)["_forward_hooks"] or vars(module)["_forward_pre_hooks"]
    return bool(hooks) or (module.training and any(True for _ in module.buffers(recurse=False)))


def _loaded(code: types.CodeType) -> set[str]:
    """The global names that this code uses; names of attributes stand in the same list."""
    steps = (i for each in codes(code) for i in dis.get_instructions(each))
    return {str(step.argval) for step in steps if step.opname in _NAMED}
