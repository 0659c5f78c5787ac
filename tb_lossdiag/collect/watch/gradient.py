"""Gradient norm, parameter norm and non-finite counts of every trainable parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.parameters import Parameters, nonfinite, norms
from tb_lossdiag.quantities import GRADIENT_NONFINITE, GRADIENT_NORM, PARAMETER_NORM
from tb_lossdiag.records import Floats, Record


def gradients(
    model: Parameters,
    before_clip: tuple[Sequence[int], Tensor] | None,
    factor: float | Tensor = 1.0,
) -> Measurement:
    """Norms of a model's gradients before clipping and after unscaling, and of its trainable parameters.

    Args:
        model: the parameters.
        before_clip: ids of the parameters whose norms are known from the clip already, and those norms, float[n].
        factor: what a measured norm is multiplied with: 1/scale where gradients still carry the loss scale, 1/coefficient
            where they have been clipped already. NaN gives "not recorded".

    Raises:
        ValueError: no trainable parameter has a gradient.
    """
    require(model)
    trainable = [p for p in model.tensors if p.requires_grad]
    held = [p for p in trainable if p.grad is not None]
    tensors = [_gradient_norms(held, before_clip, factor), norms(trainable)]

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        return _records(model, held, trainable, arrays)

    return Measurement(tensors, finish)


def require(model: Parameters) -> None:
    """See to it that a model has gradients.

    Raises:
        ValueError: none of its trainable parameters has one.
    """
    trainable = [p for p in model.tensors if p.requires_grad]
    if all(p.grad is None for p in trainable):
        raise ValueError(
            f"model: none of its {len(trainable)} trainable parameters has a gradient; "
            "call add_diagnostics after backward() and before zero_grad()"
        )


def _gradient_norms(
    held: Sequence[Tensor],
    before_clip: tuple[Sequence[int], Tensor] | None,
    factor: float | Tensor,
) -> Tensor:
    """float[n]: the known norms where there are any, one pass over the rest."""
    if before_clip is None:
        return norms([p.grad for p in held if p.grad is not None]) * factor
    ids, before = before_clip
    return merged(held, ids, before.float(), factor)


def merged(
    held: Sequence[Tensor], ids: Sequence[int], before: Tensor, factor: float | Tensor = 1.0
) -> Tensor:
    """float[n]: norms known from the clip, one pass over the rest, which is multiplied with `factor`."""
    if list(ids) == list(map(id, held)):
        return before
    known = dict(zip(ids, before.unbind(), strict=True))
    rest = [p for p in held if id(p) not in known]
    measured = norms([p.grad for p in rest if p.grad is not None]) * factor if rest else before[:0]
    others = iter(measured.unbind())
    return torch.stack([known[id(p)] if id(p) in known else next(others) for p in held])


def _records(
    model: Parameters, held: Sequence[Tensor], trainable: Sequence[Tensor], arrays: Sequence[Floats]
) -> list[Record]:
    gradient = dict(zip(map(id, held), arrays[0].tolist(), strict=True))
    weight = dict(zip(map(id, trainable), arrays[1].tolist(), strict=True))
    broken = {id(p): nonfinite(p.grad) for p in held if not np.isfinite(gradient[id(p)])}  # type: ignore[arg-type]
    return [
        _record(GRADIENT_NORM, model, gradient),
        _record(PARAMETER_NORM, model, weight),
        _record(GRADIENT_NONFINITE, model, {key: broken.get(key, 0) for key in gradient}),
    ]


def _record(quantity: object, model: Parameters, values: Mapping[int, float]) -> Record:
    row = np.array([values.get(id(p), np.nan) for p in model.tensors], np.float32)
    return Record(quantity, model.names, row)  # type: ignore[arg-type]
