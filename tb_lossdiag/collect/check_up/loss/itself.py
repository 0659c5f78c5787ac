"""Scores of all samples of a batch against all, in which none is compared with itself."""

from __future__ import annotations

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.pieces import Expression


def spares_itself(loss: Expression, x: Tensor) -> bool:
    """Whether a mask marks the diagonal or all but it, or what stands there is minus infinity.

    Args:
        loss: what the scores are used in.
        x: real[N, N].
    """
    if x.dim() != 2 or x.shape[0] != x.shape[1]:  # noqa: PLR2004
        return False
    if bool(x.diagonal().isneginf().all()):
        return True
    for step in loss.named("mul", "select", "fill", "pick", "where"):
        for other in step.operands:
            if not other.grad and other.intact and other.tensor.shape == x.shape:
                marked = other.tensor != 0
                count, own = int(marked.sum()), int(marked.diagonal().sum())
                if (count, own) in ((len(x), len(x)), (len(x) ** 2 - len(x), 0)):
                    return True
    return False


def without_itself(x: Tensor) -> Tensor:
    """real[N, N - 1]: each row without what belongs to itself."""
    n = len(x)
    return x[~torch.eye(n, dtype=torch.bool, device=x.device)].reshape(n, n - 1)
