"""Statistics of one activation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Facts, Value, part, rows, variation
from tb_lossdiag.quantities import (
    ACTIVATION_ABS_MAX,
    ACTIVATION_MEAN,
    ACTIVATION_NONFINITE,
    ACTIVATION_STD,
    ACTIVATION_VARIATION,
    DEAD_SHARE,
    SATURATED_SHARE,
    ZERO_SHARE,
)

SAMPLED = 4096
"""Elements that mean, standard deviation and shares are taken from where an activation has more: a share's standard error is then
below 1 %, a mean's 1/64 of a standard deviation. Extremes and dead units always look at all."""
_MARGIN = 0.03
"""Distance from an end of the range, as a share of it, within which an activation counts as saturated."""
_SIDE = 256
"""Samples and features that the effective rank is taken from."""


def statistics(output: Tensor) -> Facts:
    """What any floating-point activation has.

    Args:
        output: real[...] with at least one element.
    """
    some = part(output, SAMPLED)
    std, mean = torch.std_mean(some, correction=0)
    low, high = torch.aminmax(output.detach())
    largest = torch.maximum(-low, high)
    return {
        ACTIVATION_MEAN: mean,
        ACTIVATION_STD: std,
        ACTIVATION_ABS_MAX: largest,
        ACTIVATION_NONFINITE: _nonfinite(output, largest),
        ZERO_SHARE: (some == 0).float().mean(),
        ACTIVATION_VARIATION: variation(output, SAMPLED),
    }


def _nonfinite(output: Tensor, largest: Tensor) -> Value:
    """Number of NaN and Inf elements; where asking costs no synchronisation, only if there are any."""
    if output.device.type == "cpu" and math.isfinite(float(largest)):
        return 0.0
    return (~torch.isfinite(output)).sum()


def dead_share(output: Tensor, unit_dim: int) -> Facts:
    """Share of units that are 0 for the whole batch.

    Args:
        output: real[...] of a ReLU.
        unit_dim: the dimension of channels or features.
    """
    others = [d for d in range(output.dim()) if d != unit_dim % output.dim()]
    alive = output.detach() != 0
    return {DEAD_SHARE: 1 - (alive.any(dim=others) if others else alive).float().mean()}


def saturated_share(output: Tensor, ends: tuple[float, float]) -> Facts:
    """Share of elements near an end of the function's range."""
    low, high = ends
    margin = _MARGIN * (high - low)
    some = part(output, SAMPLED)
    return {SATURATED_SHARE: ((some < low + margin) | (some > high - margin)).float().mean()}


def effective_rank(output: Tensor, unit_dim: int) -> float:
    """exp(entropy of the normalised singular values) of the centred outputs, samples x features (Roy and Vetterli 2007).

    Args:
        output: real[...], at least two-dimensional.
        unit_dim: the dimension of features; all others are samples.

    Returns:
        Between 1 and the smaller of samples - 1 and features; NaN for constant or non-finite outputs.
    """
    features = output.detach().movedim(unit_dim, -1).reshape(-1, output.shape[unit_dim])
    some = rows(rows(features, _SIDE), _SIDE, dim=1).to("cpu", torch.float64)
    centred = some - some.mean(0)
    # Eigenvalues of the smaller Gram matrix are the squared singular values: many times faster than a decomposition.
    tall = centred.shape[0] > centred.shape[1]
    gram = centred.T @ centred if tall else centred @ centred.T
    if not torch.isfinite(gram).all() or not gram.any():
        return math.nan
    singular = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    shares = singular / singular.sum()
    return float(torch.exp(-torch.xlogy(shares, shares).sum()))
