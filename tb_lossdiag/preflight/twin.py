"""A copy of model, loss and optimizer, to be trained."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.probes.copies import copied
from tb_lossdiag.collect.probes.survey import survey
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.frameworks import bare
from tb_lossdiag.preflight.batch import Loss

_RATE = 1e-3
"""Learning rate where no optimizer is given: Adam's own."""


class Uncopyable(Exception):  # noqa: N818  (a reason, not an error)
    """There can be no twin; says why."""


@dataclass(frozen=True)
class Twin:
    """What is trained in place of the user's.

    Attributes:
        model: the copy, in the modes of the original.
        loss_fn: the loss, copied where it is a module.
        optimizer: of the same kind, with the same arguments, but for the rate.
    """

    model: nn.Module
    loss_fn: Loss | None
    optimizer: Any


def twin(model: nn.Module, loss_fn: Loss | None, optimizer: Any, factor: float) -> Twin:
    """Copies; the rate is `factor` times the optimizer's.

    Raises:
        Uncopyable: there can be none.
    """
    new = _module(model)
    loss = _module(loss_fn) if isinstance(loss_fn, nn.Module) else loss_fn
    pairs = [*_pairs(model, new)]
    if isinstance(loss_fn, nn.Module) and isinstance(loss, nn.Module):
        pairs += _pairs(loss_fn, loss)
    return Twin(new, loss, _optimizer(bare(optimizer), new, dict(pairs), factor))


def _module(model: nn.Module) -> nn.Module:
    found = survey(model)
    if found.obstacle:
        raise Uncopyable(found.obstacle)
    try:
        new, _ = copied(model, found)
    except Exception as error:  # whatever a `__deepcopy__` of the user's raises
        raise Uncopyable(f"{type(error).__name__}: {error}") from error
    for old, module in zip(model.modules(), new.modules(), strict=True):
        module.training = old.training
    return new


def _pairs(old: nn.Module, new: nn.Module) -> list[tuple[int, Tensor]]:
    return [(id(a), b) for a, b in zip(parameters_in(old), parameters_in(new), strict=True)]


def _optimizer(optimizer: Any, model: nn.Module, known: dict[int, Tensor], factor: float) -> Any:
    if optimizer is None:
        trainable = [p for p in parameters_in(model) if p.requires_grad]
        return torch.optim.Adam(trainable, lr=_RATE * factor)
    groups = [
        {
            **group,
            "lr": float(group["lr"]) * factor,
            "params": [known.get(id(p), _foreign(p)) for p in group["params"]],
        }
        for group in optimizer.param_groups
    ]
    takes = inspect.signature(type(optimizer)).parameters
    options = {n: v for n, v in optimizer.defaults.items() if n in takes and n != "params"}
    try:
        return type(optimizer)(
            groups, **{**options, "lr": float(options.get("lr", _RATE)) * factor}
        )
    except Exception as error:  # an optimizer of the user's own may be made in another way
        raise Uncopyable(f"{type(optimizer).__name__}: {error}") from error


def _foreign(parameter: Tensor) -> nn.Parameter:
    """A tensor that is not the model's stays one."""
    return nn.Parameter(parameter.detach().clone(), requires_grad=parameter.requires_grad)
