"""Which model it is that was given, and whether another one has its names."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from itertools import islice

from torch import nn

from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.parameters import WRAPPERS, Parameters, parameters

_DEEPEST = 8
"""Wrappers around a model, at most."""


def inner(model: nn.Module) -> nn.Module:
    """The model inside wrappers such as DistributedDataParallel's and torch.compile's, which add no parameter of their own."""
    for _ in range(_DEEPEST):
        children = list(islice(model.named_children(), 2))
        alone = len(children) == 1 and next(parameters_in(model, recurse=False), None) is None
        if not alone or children[0][0] not in WRAPPERS:
            break
        model = children[0][1]
    return model


def shared(a: Parameters, b: Parameters) -> str | None:
    """A name that two models give to different parameters."""
    known = dict(zip(a.names, a.tensors, strict=True))
    return next(
        (n for n, p in zip(b.names, b.tensors, strict=True) if known.get(n, p) is not p), None
    )


@dataclass
class _Known:
    """A model that was given.

    Attributes:
        model: itself, without wrappers.
        name: it was given under.
        step: that it was given for last, if that was said.
        over: another one has taken its place.
    """

    model: weakref.ref[nn.Module]
    name: str
    step: int | None
    over: bool = False


@dataclass
class GivenModels:
    """The models that calls of `add_diagnostics` gave: none may write over another's records.

    One whose parameters are called the same may take another's place, as the model of the next fold does; not at the same step, and
    not if the other comes back.
    """

    _known: list[_Known] = field(default_factory=list)

    def give(self, model: nn.Module, name: str, step: int | None) -> str | None:
        """Take note of a model that is given; a parameter's name that is another model's."""
        model = inner(model)
        self._known = [one for one in self._known if one.model() is not None]
        known = next((k for k in self._known if k.model() is model and k.name == name), None)
        if known is None:
            known = _Known(weakref.ref(model), name, step)
            if (taken := self._replace(model, known)) is not None:
                return taken
            self._known.append(known)
        known.step = step
        return parameters(model, name).names[0] if known.over else None

    def _replace(self, model: nn.Module, new: _Known) -> str | None:
        """End what was known of models that have its names; such a name if it cannot be."""
        own = parameters(model, new.name)
        for one in self._known:
            other = one.model()
            if other is None or one.over or one.name != new.name:
                continue
            if (name := shared(own, parameters(other, one.name))) is not None:
                if new.step is not None and one.step == new.step:
                    return name
                one.over = True
        return None
