"""Names and norms of a model's parameters and their gradients."""

from __future__ import annotations

import contextlib
import operator
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.state.asking import named_parameters_in, parameters_in
from tb_lossdiag.quantities import Role

WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})

_PACKAGES = frozenset({"site-packages", "dist-packages"})
"""Folders that packages are installed into."""

_PLAIN = (Tensor, nn.Parameter)
_parameters_of: Callable[[nn.Module], Any] = operator.attrgetter("_parameters")
_modules_of: Callable[[nn.Module], Any] = operator.attrgetter("_modules")


@dataclass(frozen=True)
class Parameters:
    """A model's parameters, in the order of `named_parameters()`, tied ones once.

    Attributes:
        names: as the unwrapped model spells them.
        tensors: the parameters themselves.
    """

    names: tuple[str, ...]
    tensors: tuple[nn.Parameter, ...]


def parameters(model: nn.Module, prefix: str = "") -> Parameters:
    """All parameters of a model, frozen ones included; names begin with the prefix.

    Raises:
        ValueError: the model has none.
    """
    named = list(named_parameters_in(model))
    if not named:
        raise ValueError("model: it has no parameters")
    names = tuple(name for name, _ in named)
    return Parameters(prefixed(unwrapped(names), prefix), tuple(tensor for _, tensor in named))


class Places:
    """Where a model keeps its modules and parameters: tells for a few nanoseconds each whether one was replaced or removed.

    Args:
        model: the model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._modules = list(model.modules())
        self._kept = self._dictionaries()
        self._sizes = self._lengths()
        self._live = [d.values() for d in self._kept if isinstance(d, dict) and d]
        self._end = (object(),)
        self._were = [*chain.from_iterable(self._live), *self._end]

    def changed(self) -> bool:
        """Whether anything stands where something else stood."""
        now = chain(chain.from_iterable(self._live), self._end)
        return not all(map(operator.is_, now, self._were))

    def stand(self) -> bool:
        """Whether the model has the very modules and parameters that it had; additions are seen, too, and what costs more to see than `changed`."""
        if self.changed() or self._lengths() != self._sizes:
            return False
        return all(map(operator.is_, self._dictionaries(), self._kept))

    def _dictionaries(self) -> list[Any]:
        return [*map(_parameters_of, self._modules), *map(_modules_of, self._modules)]

    def _lengths(self) -> list[int]:
        return list(map(len, self._kept))


def roles(model: nn.Module) -> dict[int, Role]:
    """What each parameter of a model is, by its id."""
    found = {}
    for module in model.modules():
        for name, parameter in named_parameters_in(module, recurse=False):
            found[id(parameter)] = _role(module, name, parameter)
    return found


def foreign(model: nn.Module) -> set[int]:
    """Ids of the parameters that lie in a module of another package's class: what it computes beside the answer, nobody chose."""
    libraries = [module for module in model.modules() if _installed(type(module).__module__)]
    return {id(parameter) for module in libraries for parameter in parameters_in(module)}


@lru_cache(maxsize=256)
def _installed(name: str) -> bool:
    """Whether a module of Python's is an installed package's, other than torch, whose layers stand in everybody's models."""
    if name.partition(".")[0] == "torch":
        return False
    path = Path(getattr(sys.modules.get(name), "__file__", None) or "")
    return not _PACKAGES.isdisjoint(path.parts)


def _role(module: nn.Module, name: str, parameter: Tensor) -> Role:
    kind = type(module).__name__.lower()
    if "norm" in kind:
        return Role.NORM
    if "bias" in name:
        return Role.BIAS
    if "embedding" in kind:
        return Role.EMBEDDING
    return Role.WEIGHT if parameter.dim() > 1 else Role.OTHER


@lru_cache(maxsize=16)
def prefixed(names: tuple[str, ...], prefix: str) -> tuple[str, ...]:
    """Names of one of several watched models.

    >>> prefixed(("weight",), "critic")
    ('critic/weight',)
    """
    return tuple(f"{prefix}/{name}" for name in names) if prefix else names


@lru_cache(maxsize=16)
def unwrapped(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names without the prefixes of DistributedDataParallel, FSDP, torch.compile and checkpoint wrappers.

    Only path components that every name shares at its front, or that no user would write, are dropped; names stay unique.

    >>> unwrapped(("module._orig_mod.a.weight", "module._orig_mod.b"))
    ('a.weight', 'b')
    """
    short = names
    while all(name.split(".", 1)[0] in WRAPPERS and "." in name for name in short):
        short = tuple(name.split(".", 1)[1] for name in short)
    inner = tuple(
        ".".join(part for part in name.split(".") if part == "module" or part not in WRAPPERS)
        for name in short
    )
    return inner if len(set(inner)) == len(inner) else names


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """float[n]: L2 norm of each tensor, on the device of the first.

    One fused pass over dense tensors; sparse gradients go through their values, duplicates summed first; of tensors spread over ranks
    the part this rank answers for, NaN where they are not added up yet.
    """
    if not tensors:
        return torch.zeros(0)
    with torch.no_grad():
        if plain(tensors):
            return torch.stack(torch._foreach_norm([*tensors]))  # noqa: SLF001
        each = _each([dense(tensor.detach()) for tensor in tensors])
    if len({(norm.device, norm.dtype) for norm in each}) > 1:
        each = tuple(norm.to(each[0].device, torch.float32) for norm in each)
    return torch.stack(each).float()


def _each(dense: list[Tensor]) -> tuple[Tensor, ...]:
    """Norms, not rounded to half precision where PyTorch can avoid it (2.4 on)."""
    if any(tensor.dtype is torch.bfloat16 for tensor in dense):
        with contextlib.suppress(TypeError, RuntimeError):
            return tuple(torch._foreach_norm(dense, 2.0, torch.float32))  # noqa: SLF001
    return tuple(torch._foreach_norm(dense))  # noqa: SLF001  (the public clip uses it the same way)


def plain(tensors: Sequence[Tensor]) -> bool:
    """Whether `torch._foreach_norm` may be given these tensors as they are: dense float32 on one device."""
    first = tensors[0]
    return all(
        type(tensor) in _PLAIN
        and tensor.dtype is torch.float32
        and tensor.layout is torch.strided
        and tensor.device == first.device
        for tensor in tensors
    )


def is_distributed(tensor: Tensor) -> bool:
    """Whether it is a DTensor."""
    return hasattr(tensor, "to_local")


def own_part(tensor: Any) -> Tensor:
    """The part of a DTensor that this rank alone answers for: its shard; of what every rank has, all on the first, nothing elsewhere."""
    local: Tensor = tensor.to_local()
    place = tensor.device_mesh.get_coordinate()
    for coordinate, placement in zip(place or (), tensor.placements, strict=True):
        if placement.is_partial():
            return local.new_full((1,), torch.nan)
        if placement.is_replicate() and coordinate:
            return local.new_zeros(0)
    return local


def dense(tensor: Tensor) -> Tensor:
    """What norms are taken of: the part of a DTensor that this rank answers for, a sparse tensor's values, half precision widened."""
    if type(tensor) is not Tensor and is_distributed(tensor):
        tensor = own_part(tensor)
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    # A half-precision sum of squares overflows at a norm of 256.
    return tensor.float() if tensor.dtype is torch.float16 else tensor


def nonfinite(tensor: Tensor) -> int:
    """Number of NaN and Inf elements."""
    values = tensor.coalesce().values() if tensor.is_sparse else tensor
    return int((~torch.isfinite(values)).sum())
