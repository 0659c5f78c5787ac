"""Asks a module for its parameters and leaves it as it is.

Keras' layers on torch make a table of their parameters, a part of the module, when they are asked for the first time. The layers of a
model that is written as a class are never asked by Keras itself: a table that came of our question would stand in the user's
`state_dict()`, under names that the model of another script does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn

_TABLE = "_torch_params"
"""Keras' name of that table."""


def named_parameters_in(
    module: nn.Module, prefix: str = "", **options: bool
) -> Iterator[tuple[str, nn.Parameter]]:
    """What `module.named_parameters()` says, with nothing made for it.

    Args:
        module: the module.
        prefix: begins each name.
        options: of that method.
    """
    if not _would_make(module):
        named: Any = {"prefix": prefix, **options} if prefix else options
        return module.named_parameters(**named)
    start = f"{prefix}.{_TABLE}" if prefix else _TABLE
    return ((f"{start}.{v.path}", v.value) for v in _variables(module, **options))


def parameters_in(module: nn.Module, **options: bool) -> Iterator[nn.Parameter]:
    """What `module.parameters()` says, with nothing made for it.

    Args:
        module: the module.
        options: of that method.
    """
    if not _would_make(module):
        return module.parameters(**options)
    return (v.value for v in _variables(module, **options))


def _would_make(module: nn.Module) -> bool:
    """Whether it is a layer of Keras' without its table."""
    return hasattr(type(module), "torch_params") and _TABLE not in module._modules  # noqa: SLF001


def _variables(layer: Any, *, recurse: bool = True, **_: bool) -> Iterable[Any]:
    """All are in the table, which would be a part."""
    return layer.variables if recurse else ()
