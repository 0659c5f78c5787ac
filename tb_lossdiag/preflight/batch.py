"""How a model is given a batch, and how the loss is given its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.model.arguments import Arguments, casts, mapped
from tb_lossdiag.collect.probes.passes import cast

_PAIR = 2
Loss = Callable[..., Any]


def arguments(batch: Any) -> Arguments:
    """What the model is given: `(inputs, target)` says what comes first, a mapping its keyword arguments, `Arguments` all of it."""
    given = batch[0] if _paired(batch) else batch
    if isinstance(given, Arguments):
        return given
    args, kwargs = (), {}
    if isinstance(given, Mapping):
        kwargs = dict(given)
    else:
        args = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    return Arguments(args, kwargs, (), casts())


def loss_of(model: nn.Module, batch: Any, loss_fn: Loss | None) -> Tensor:
    """The loss of new copies of the batch.

    Raises:
        TypeError: it is no tensor.
    """
    given = arguments(batch).mapped(_copied)
    with cast(given):
        return _loss(model(*given.args, **given.kwargs), batch, loss_fn)


def _loss(output: Any, batch: Any, loss_fn: Loss | None) -> Tensor:
    if loss_fn is None:
        loss = output["loss"] if isinstance(output, Mapping) else getattr(output, "loss", output)
    elif _paired(batch):
        loss = loss_fn(output, mapped(batch[1], _copied))
    else:
        loss = loss_fn(output)
    if not isinstance(loss, Tensor):
        raise TypeError(f"loss_fn: expected a tensor, got {type(loss).__name__}")
    return loss if loss.dim() == 0 else loss.mean()


def _paired(batch: Any) -> bool:
    return isinstance(batch, (tuple, list)) and len(batch) == _PAIR


def _copied(tensor: Tensor) -> Tensor:
    with torch.no_grad():
        return tensor.detach().clone()
