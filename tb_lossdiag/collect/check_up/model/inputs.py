"""What a model is given."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.model.interleaved import interleaved_facts
from tb_lossdiag.collect.check_up.values import Facts, Value, is_real, rows, wide
from tb_lossdiag.quantities import (
    BATCH_SIZE,
    BESIDE_MEAN,
    BESIDE_STD,
    INPUT_ABS_MAX,
    INPUT_FEATURE_RANGE,
    INPUT_MEAN,
    INPUT_STD,
)

_DEEP = 4
"""Levels of containers that are searched."""
_IMAGE = 4
"""Dimensions from which on dim 1 holds channels."""
_SAMPLES = 4096
_SEQUENCE = 2
_SHORTEST = 8
"""Places of a series."""
"""Dimensions of a batch of sequences."""
_DIALS = 16
"""Samples; numbers of fewer tell nothing."""
_MOSTLY = 0.5
"""Share of the samples from which on a feature rests; what has one unit and no such value rests in none."""
_CONSTANT = 1e-6
"""A feature whose standard deviation is below this share of its mean differs by rounding only."""


def tensors_in(value: Any, deep: int = _DEEP) -> Iterator[Tensor]:
    """All tensors in nested containers, in order."""
    if isinstance(value, Tensor):
        yield value
    elif deep and (parts := _parts(value)):
        for inner in parts:
            yield from tensors_in(inner, deep - 1)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, (list, tuple)):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name, None) for field in fields(value)]
    return []


def single_numbers(given: Any) -> list[Tensor]:
    """Those that a model returns beside its answers: its loss, say."""
    return [t for t in tensors_in(given) if t.dim() == 0 and t.is_floating_point()]


def measured_values(given: Any) -> list[Tensor]:
    """The real tensors that a model is given."""
    return [t.detach() for t in tensors_in(given) if is_real(t)]


def series(given: Any) -> Tensor | None:
    """The first series of measured values that a model is given, real[N, T] or real[N, T, F]; None without any."""
    found = (t for t in tensors_in(given) if is_real(t) and t.dim() in (_SEQUENCE, _SEQUENCE + 1))
    return next((t.detach() for t in found if t.shape[1] >= _SHORTEST), None)


def sequences(given: Any) -> list[Tensor]:
    """The sequences of whole numbers that a model is given, whole[N, T] each."""
    return [
        t
        for t in tensors_in(given)
        if t.dim() == _SEQUENCE and t.dtype == torch.int64 and t.numel()
    ]


Dial = tuple[Tensor, torch.Size]
"""(one number for each sample, the shape of the samples that it stands beside)."""


def dials(given: Any) -> list[Dial]:
    """One number for each sample that a model is given beside them: the time of a diffusion, say."""
    tensors = [t.detach() for t in tensors_in(given)]
    beside = [t.shape for t in tensors if is_real(t) and t.dim() > 1]
    alone = [t for t in tensors if t.dim() == 1 and len(t) >= _DIALS]
    return [(t, shape) for t in alone for shape in beside if shape[0] == len(t)]


def tables(given: Any) -> list[Tensor]:
    """The tensors of two dimensions that a model is given, each of which may be a mask of its sequences."""
    return [t.detach() for t in tensors_in(given) if t.dim() == _SEQUENCE]


def input_facts(given: Any) -> Facts:
    """Size and scale of the first tensor among a model's arguments; nothing if there is none."""
    first = next(tensors_in(given), None)
    if first is None:
        return {}
    size: Facts = {BATCH_SIZE: float(first.shape[0]) if first.dim() else 1.0}
    if not is_real(first):
        return size | _beside(given)
    return size | _scale(first) | interleaved_facts(first)


def _beside(given: Any) -> Facts:
    """Scale of the numbers that come behind indices."""
    numbers = (t for t in tensors_in(given) if is_real(t) and t.dim() > 1 and t.numel())
    first = next(numbers, None)
    if first is None:
        return {}
    std, mean = torch.std_mean(wide(first.detach()), correction=0)
    return {BESIDE_MEAN: mean, BESIDE_STD: std}


def _scale(tensor: Tensor) -> Facts:
    values = wide(tensor.detach())
    std, mean = torch.std_mean(values, correction=0)
    return {
        INPUT_MEAN: mean,
        INPUT_STD: std,
        INPUT_ABS_MAX: values.abs().max(),
        INPUT_FEATURE_RANGE: _feature_range(values),
    }


def _feature_range(values: Tensor) -> Value:
    """Largest over smallest non-zero spread of a feature."""
    if values.dim() < 2 or values.shape[0] < 2:  # noqa: PLR2004  (needs two samples and a dimension of features)
        return math.nan
    dim = 1 if values.dim() >= _IMAGE else -1
    features = rows(values, _SAMPLES).movedim(dim, -1).flatten(0, -2)
    std, mean = torch.std_mean(features, dim=0, correction=0)
    varies = std > _CONSTANT * mean.abs()
    spread = _when_there(features, std)
    smallest = torch.where(varies, spread, math.inf).min()
    return torch.where(varies.any(), torch.where(varies, spread, 0.0).max() / smallest, math.nan)


def _when_there(features: Tensor, std: Tensor) -> Tensor:
    """Standard deviation of each feature; of one that mostly rests at an end of its range, how far it is from there when it is not.

    How seldom a pixel at the border or a word is there says nothing of its unit, and would otherwise count like one: a pixel that one
    picture of a batch has in its faintest shade.
    """
    low, high = torch.aminmax(features, dim=0)
    at_low, at_high = ((features == end).float().mean(0) for end in (low, high))
    rest, share = torch.where(at_low >= at_high, low, high), torch.maximum(at_low, at_high)
    away = (features - rest).square().mean(0) / (1 - share)
    return torch.where((share > _MOSTLY) & (share < 1), away.sqrt(), std)
