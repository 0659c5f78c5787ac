"""Whether the maps that a loss asks for lie as the pictures that the model was given, or with width and height in each other's place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, one_hot

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.values import Facts, rows, wide
from tb_lossdiag.quantities import CALL_ACROSS, CALL_UPRIGHT

_PICTURE = 4
"""Dimensions of a batch of pictures with channels."""
_FEWEST, _MOST = 8, 64
"""Samples: of fewer nothing is said, and of more some are left out."""
_SHORTEST, _LONGEST = 4, 128
"""Pixels of a side; longer ones are made smaller."""
_COLOURS = 4
_CLASSES = 32
_RIDGE = 1e-4
"""Of the mean square of what explains, so that colours that are the same can be."""


def laid_facts(call: LossCall, given: Sequence[Tensor]) -> Facts:
    """How much of the square maps that are asked for the pictures explain pixel by pixel, beyond other samples' pictures: as they lie, and across.

    Args:
        call: a loss call.
        given: the real tensors among the model's arguments; the first that are pictures count.
    """
    asked = _maps(call)
    if asked is None:
        return {}
    fitting = (x for x in given if _fits(x, asked))
    picture = next(fitting, None)
    if picture is None:
        return {}
    asked, x = _small(asked), rows(picture.detach(), _MOST)
    x = adaptive_avg_pool2d(wide(x), asked.shape[-1])
    known = _beyond_all(torch.cat([x, x.square()], 1))
    maps = _beyond_all(asked)
    if not bool(maps.any()) or not bool(known.any()):
        return {}
    upright, across = (_explained(known, each) for each in (maps, maps.mT))
    return {CALL_UPRIGHT: upright, CALL_ACROSS: across}


def _maps(call: LossCall) -> Tensor | None:
    """What is asked for as real[N, K, S, S]."""
    asked = call.target
    if asked is None or asked.dim() not in (_PICTURE - 1, _PICTURE) or asked.is_complex():
        return None
    if asked.shape[-1] != asked.shape[-2] or asked.shape[-1] < _SHORTEST or len(asked) < _FEWEST:
        return None
    asked = rows(asked.detach(), _MOST)
    if not call.indexed:
        return wide(asked) if asked.dim() == _PICTURE and asked.shape[1] <= _CLASSES else None
    if asked.dim() == _PICTURE or call.input.dim() != _PICTURE:
        return None
    classes = min(call.input.shape[1], _CLASSES)
    valid = (asked >= 0) & (asked < classes)
    ones = one_hot(asked.long().masked_fill(~valid, 0), classes).movedim(-1, 1)
    return wide(ones * valid.unsqueeze(1))


def _fits(x: Tensor, asked: Tensor) -> bool:
    """Whether these are pictures of the samples, square and at least as large as the maps."""
    square = x.dim() == _PICTURE and x.shape[-1] == x.shape[-2] >= asked.shape[-1]
    few = square and x.shape[1] <= _COLOURS and x.is_floating_point()
    return few and x.device == asked.device and len(rows(x, _MOST)) == len(asked)


def _small(maps: Tensor) -> Tensor:
    return adaptive_avg_pool2d(maps, _LONGEST) if maps.shape[-1] > _LONGEST else maps


def _beyond_all(pictures: Tensor) -> Tensor:
    """Without what all samples have at a place."""
    return pictures - pictures.mean(0)


def _explained(known: Tensor, maps: Tensor) -> Tensor:
    """Share of the maps that a linear function of a place's colours gives, less what it gives of other samples' colours."""
    other = known.roll(len(known) // 2, 0)
    return _share(known, maps) - _share(other, maps)


def _share(known: Tensor, maps: Tensor) -> Tensor:
    x, y = (each.movedim(1, -1).flatten(0, -2) for each in (known, maps))
    gram, cross = x.T @ x, x.T @ y
    ridge = _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
    explained: Tensor = (cross * torch.linalg.solve(gram + ridge, cross)).sum()
    return explained / y.square().sum()
