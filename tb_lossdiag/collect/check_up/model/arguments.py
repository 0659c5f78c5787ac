"""What a model was given, and the same with samples or places exchanged."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor

_PLAIN = (type(None), bool, int, float, complex, str, bytes, Enum, slice, range)
_TORCH = (torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format)


class Unknown(Exception):  # noqa: N818  (a reason, not an error)
    """Arguments hold something that cannot be taken apart."""


@dataclass(frozen=True)
class Arguments:
    """How the model was called.

    Attributes:
        args: positional arguments.
        kwargs: keyword arguments.
        outputs: shapes of the tensors that it returned.
        casts: autocast as it was then: (device type, dtype) where it was on.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[torch.Size, ...] = ()
    casts: tuple[tuple[str, torch.dtype], ...] = ()

    def mapped(self, act: Callable[[Tensor], Tensor]) -> Arguments:
        """The same with other tensors; containers are new ones.

        Raises:
            Unknown: there is something else among them.
        """
        args = tuple(mapped(value, act) for value in self.args)
        kwargs = {name: mapped(value, act) for name, value in self.kwargs.items()}
        return Arguments(args, kwargs, self.outputs, self.casts)

    def tensors(self) -> list[Tensor]:
        """All tensors, each once."""
        found: dict[int, Tensor] = {}
        self.mapped(lambda tensor: found.setdefault(id(tensor), tensor))
        return list(found.values())


def mapped(value: Any, act: Callable[[Tensor], Tensor]) -> Any:
    """A container's copy, its tensors replaced.

    Raises:
        Unknown: it holds something that is neither container nor number.
    """
    if isinstance(value, Tensor):
        if value.layout is not torch.strided or value.is_nested or value.is_quantized:
            raise Unknown("a tensor that is not dense")
        return act(value)
    if isinstance(value, (*_PLAIN, *_TORCH)):
        return value
    if isinstance(value, Mapping):
        return _with(value, {key: mapped(part, act) for key, part in value.items()})
    if type(value) in {list, tuple}:
        return type(value)(mapped(part, act) for part in value)
    if (
        isinstance(value, tuple)
        and hasattr(value, "_fields")
        and "batch_sizes" not in value._fields
    ):
        return type(value)(*(mapped(part, act) for part in value))
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: mapped(getattr(value, f.name), act) for f in fields(value)}
        return _with_fields(value, parts)
    raise Unknown(type(value).__name__)


def _with(value: Mapping[Any, Any], parts: dict[Any, Any]) -> Any:
    """The same kind of mapping, such as Transformers' BatchEncoding, with these values."""
    if type(value) is dict:
        return parts
    new = copy.copy(value)
    for key, part in parts.items():
        new[key] = part  # type: ignore[index]
    return new


def _with_fields(value: Any, parts: dict[str, Any]) -> Any:
    new = copy.copy(value)
    for name, part in parts.items():
        object.__setattr__(new, name, part)
    return new


def casts() -> tuple[tuple[str, torch.dtype], ...]:
    """Autocast as it is now."""
    if not hasattr(torch, "get_autocast_dtype"):  # before torch 2.4
        both = (
            ("cuda", torch.is_autocast_enabled(), torch.get_autocast_gpu_dtype()),
            ("cpu", torch.is_autocast_cpu_enabled(), torch.get_autocast_cpu_dtype()),
        )
        return tuple((kind, dtype) for kind, on, dtype in both if on)
    kinds = [kind for kind in ("cpu", "cuda", "xpu", "mps") if _casts(kind)]
    return tuple((kind, torch.get_autocast_dtype(kind)) for kind in kinds)


def _casts(kind: str) -> bool:
    try:
        return torch.is_autocast_enabled(kind)
    except RuntimeError:  # no autocast for such devices here
        return False
