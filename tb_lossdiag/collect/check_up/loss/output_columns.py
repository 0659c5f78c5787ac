"""Outputs of very different sizes that one squared or absolute error adds up: what is learned of the large ones and of the small ones."""

from __future__ import annotations

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.values import Facts, rows, wide
from tb_lossdiag.quantities import CALL_LARGE_LEFT, CALL_SMALL_LEFT

_FUNCTIONS = frozenset({"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})
_MOST = 16
"""Outputs of a sample; more are a picture or a window, whose corners may hardly ever be anything but 0."""
_FEWEST = 8
"""Samples; of fewer, a spread is chance."""
_ROWS = 8192
_SMALL = 0.01
"""Of the largest deviation: a squared error counts such an output a ten-thousandth."""


def column_facts(call: LossCall, predicted: Tensor, target: Tensor) -> Facts:
    """Shares of the variance that are not explained; nothing where outputs are of one size."""
    if call.name not in _FUNCTIONS or call.weighted or predicted.shape != target.shape:
        return {}
    if target.dim() != 2 or not 1 < target.shape[1] <= _MOST or len(target) < _FEWEST:  # noqa: PLR2004
        return {}
    asked, said = wide(rows(target, _ROWS)), wide(rows(predicted, _ROWS))
    variance = asked.var(0, correction=0)
    largest = variance.argmax()
    left = (said - asked).square().mean(0) / variance
    small = (variance > 0) & (variance <= _SMALL**2 * variance[largest])
    best = torch.where(small, left, torch.inf).amin()
    return {
        CALL_SMALL_LEFT: torch.where(small.any(), best, torch.nan),
        CALL_LARGE_LEFT: torch.where(small.any(), left[largest], torch.nan),
    }
