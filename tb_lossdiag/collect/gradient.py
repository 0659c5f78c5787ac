"""Gradient norm, parameter norm and non-finite counts of every trainable parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.collect.parameters import Parameters, nonfinite, norms
from tb_lossdiag.collect.sample import Sample
from tb_lossdiag.quantities import GRADIENT_NONFINITE, GRADIENT_NORM, PARAMETER_NORM
from tb_lossdiag.records import Floats, Record


def gradients(
    model: Parameters, before_clip: Mapping[int, Tensor], factor: float | Tensor = 1.0
) -> Sample:
    """Norms of a model's gradients before clipping and after unscaling, and of its trainable parameters.

    Args:
        model: the parameters.
        before_clip: norms already known from the clip, by id of the parameter.
        factor: what a measured norm is multiplied with: 1/scale where gradients still carry the loss scale, 1/coefficient
            where they have been clipped already. NaN gives "not recorded".

    Raises:
        ValueError: no trainable parameter has a gradient.
    """
    trainable = [p for p in model.tensors if p.requires_grad]
    held = [p for p in trainable if p.grad is not None]
    if not held:
        raise ValueError(
            f"model: none of its {len(trainable)} trainable parameters has a gradient; "
            "call add_diagnostics after backward() and before zero_grad()"
        )
    tensors = [_gradient_norms(held, before_clip, factor), norms(trainable)]

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        return _records(model, held, trainable, arrays)

    return Sample(tensors, finish)


def _gradient_norms(
    held: Sequence[Tensor], before_clip: Mapping[int, Tensor], factor: float | Tensor
) -> Tensor:
    """float[n]: the known norms where there are any, one pass over the rest."""
    unknown = [p for p in held if id(p) not in before_clip]
    measured = norms([p.grad for p in unknown if p.grad is not None]) if unknown else None
    if measured is not None and len(unknown) == len(held):
        return measured * factor
    rest = iter(measured * factor) if measured is not None else iter(())
    return torch.stack([before_clip[id(p)] if id(p) in before_clip else next(rest) for p in held])


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
