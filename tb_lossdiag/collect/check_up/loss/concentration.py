"""How much of a loss its worst elements make."""

from __future__ import annotations

import math
from statistics import NormalDist

from torch import Tensor

from tb_lossdiag.collect.check_up.values import Value, wide

_WORST = 0.01
_FEWEST = 50
"""Elements that a share of 1 % needs."""
_NORMAL = NormalDist()


def _worst(count: int) -> int:
    return max(1, int(count * _WORST))


def top_share(each: Tensor | None) -> Value:
    """Share of the sum that comes from the worst 1 % of the elements, at least one; NaN below 50 elements.

    Args:
        each: real[...], the loss of each element, not negative.
    """
    if each is None or each.numel() < _FEWEST:
        return math.nan
    flat = wide(each.detach().reshape(-1))
    return flat.topk(_worst(len(flat))).values.sum() / flat.sum()


def expected_share(name: str, count: int) -> float:
    """That share for normally distributed residuals z; NaN for losses of something else.

    With q the quantile that |z| exceeds with probability p: E[z²; |z| > q] = p + 2 q φ(q) of E[z²] = 1 for squares, and
    E[|z|; |z| > q] = 2 φ(q) of E|z| = √(2/π) for absolute values (both by parts).
    """
    if count < _FEWEST or name not in {"mse_loss", "l1_loss"}:
        return math.nan
    share = _worst(count) / count
    quantile = _NORMAL.inv_cdf(1 - share / 2)
    density = _NORMAL.pdf(quantile)
    if name == "mse_loss":
        return share + 2 * quantile * density
    return 2 * density / math.sqrt(2 / math.pi)
