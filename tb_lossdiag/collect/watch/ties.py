"""Weights that are meant to be one tensor: those that are when a model is first looked at, and those of a model that says so in its config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.values import is_real, scattered, wide
from tb_lossdiag.collect.state.asking import named_parameters_in
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.parameters import Parameters
from tb_lossdiag.collect.watch.updates import each
from tb_lossdiag.quantities import TIE_COSINE

_LOOKED_AT = 4096
"""Elements of a matrix; a cosine of so many is off by a sixtieth at most."""


class Ties:
    """Pairs of names under which a model keeps one weight matrix.

    Args:
        model: the user's own.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._shared = list(_shared(model))

    def measured(self, now: Parameters) -> Measurement | None:
        """`TIE_COSINE` of the first of each pair, of several the lowest; None where there is no pair, or one of it is not trained."""
        places = {id(tensor): place for place, tensor in enumerate(now.tensors)}
        found: dict[int, Tensor] = {}
        with torch.no_grad():
            for first, second in self._pairs():
                place = places.get(id(first))
                if place is not None and _comparable(first, second):
                    cosine = _cosine(first.detach(), second.detach())
                    found[place] = cosine.minimum(found.get(place, cosine))
        return each(TIE_COSINE, now.names, list(found), _stacked(found)) if found else None

    def words(self) -> dict[str, str]:
        """The first pair that is no longer one tensor, by name."""
        names = {id(p): name for name, p in named_parameters_in(self._model)}
        for first, second in self._pairs():
            if first.data_ptr() != second.data_ptr() and {id(first), id(second)} <= names.keys():
                return {"tie": f"{names[id(first)]} and {names[id(second)]}"}
        return {}

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        for one, other in self._shared:
            first, second = (_named(self._model, name) for name in (one, other))
            if first is not None and second is not None:
                yield first, second
        yield from _declared(self._model)


def _shared(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Pairs of names of one matrix, or of two that share their elements."""
    first: dict[tuple[int, torch.Size], str] = {}
    for name, parameter in named_parameters_in(model, remove_duplicate=False):
        if is_real(parameter) and parameter.dim() > 1 and parameter.data_ptr():
            key = parameter.data_ptr(), parameter.shape
            if key in first:
                yield first[key], name
            first.setdefault(key, name)


def _named(model: nn.Module, name: str) -> Tensor | None:
    """What the model has under a name now; None where that is gone."""
    where, _, last = name.rpartition(".")
    try:
        found = getattr(model.get_submodule(where), last)
    except AttributeError:
        return None
    return found if isinstance(found, Tensor) else None


def _declared(model: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Embeddings of a model of Transformers that its config declares to be one."""
    config, declared = getattr(model, "config", None), getattr(model, "_tied_weights_keys", None)
    # The config's default says so of each model; the class says which of its own are tied at all.
    if not (declared and getattr(config, "tie_word_embeddings", False)):
        return
    ends = [getattr(model, f"get_{end}_embeddings", None) for end in ("input", "output")]
    weights = [getattr(end(), "weight", None) for end in ends if callable(end)]
    match weights:
        case [Tensor() as first, Tensor() as second]:
            yield first, second


def _comparable(first: Tensor, second: Tensor) -> bool:
    """Whether both are trained, of one shape, and can be read."""
    same = first.shape == second.shape and first.device == second.device
    trained = first.requires_grad and second.requires_grad
    return same and trained and is_real(first) and is_real(second)


def _stacked(found: dict[int, Tensor]) -> Tensor:
    device = next(iter(found.values())).device
    return torch.stack([value.to(device) for value in found.values()])


def _cosine(first: Tensor, second: Tensor) -> Tensor:
    if first.data_ptr() == second.data_ptr():
        return torch.ones((), device=first.device)
    places = scattered(first.numel(), _LOOKED_AT, first.device)
    one, other = (wide(tensor.reshape(-1)[places]) for tensor in (first, second))
    cosine: Tensor = (one @ other / (one.norm() * other.norm())).float()
    return cosine
