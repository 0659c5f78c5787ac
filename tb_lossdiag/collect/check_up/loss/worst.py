"""Which sequence of a batch costs most, and how the others stand beside it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.values import Facts, scattered, wide
from tb_lossdiag.quantities import CALL_OTHERS_LEVEL, CALL_WORST_LEVEL, CALL_WORST_SHARE

_SCORES = 2**22
"""Scores that are looked at."""
_FEWEST = 4
"""Sequences."""
_LEAST, _MOST = 4, 64
"""Targets of a sequence that are looked at; fewer tell nothing of it."""


def worst_facts(call: LossCall, counted: Tensor) -> Facts:
    """Mean loss of the sequence that costs most over that of guessing, its share of the batch's loss, and the others' median.

    Args:
        call: a class loss of a model of sequences.
        counted: bool[N, T], as its targets: those that count.
    """
    scores = _scores(call, counted)
    if scores is None or call.target is None or len(counted) < _FEWEST:
        return {}
    rows, classes = len(counted), scores.shape[2]
    width = min(_MOST, _SCORES // (rows * classes))
    if width < _LEAST:
        return {}
    places = scattered(counted.shape[1], width, scores.device)
    target = call.target.detach().reshape(rows, -1)[:, places]
    each = call.each(wide(scores[:, places].reshape(-1, classes)), target.reshape(-1))
    if each is None:
        return {}
    known = counted[:, places]
    losses = (each.reshape(rows, -1) * known).sum(1) / known.sum(1)
    return _facts(losses, counted.sum(1), known.sum(1) >= _LEAST, math.log(classes))


def _scores(call: LossCall, counted: Tensor) -> Tensor | None:
    """real[N, T, C], as views; None for a shape of another kind."""
    given = call.input.detach()
    if given.dim() == 2 and given.shape[0] == counted.numel():  # noqa: PLR2004
        return given.reshape(*counted.shape, given.shape[1])
    if given.dim() == 3 and given.shape[::2] == counted.shape:  # noqa: PLR2004
        return given.transpose(1, 2)
    return None


def _facts(losses: Tensor, counts: Tensor, told: Tensor, guess: float) -> Facts:
    if int(told.sum()) < _FEWEST or guess <= 0:
        return {}
    losses, counts = losses[told], counts[told]
    worst = int(losses.argmax())
    others = torch.cat((losses[:worst], losses[worst + 1 :]))
    return {
        CALL_WORST_LEVEL: losses[worst] / guess,
        CALL_OTHERS_LEVEL: others.median() / guess,
        CALL_WORST_SHARE: losses[worst] * counts[worst] / (losses * counts).sum(),
    }
