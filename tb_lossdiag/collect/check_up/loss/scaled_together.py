"""Whether inputs and targets of a sample were scaled by a mean and a spread of both: the inputs then tell of the targets what nobody knows yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.values import Facts, rows
from tb_lossdiag.quantities import CALL_SCALED_TOGETHER

_FEWEST, _MOST = 16, 64
"""Samples: of fewer nothing is said, and of more some are left out."""
_LEAST = 4
"""Numbers of an input series; fewer have a mean of 0 soon."""
_CHANNELS = 8
"""Series of a sample that are looked at."""
_NUMBERS = 2**18
"""Numbers that are looked at, over all samples."""
_WINDOW = _NUMBERS // _FEWEST
"""Numbers of a sample: more are copied for long, and no window of a series."""
_NO_MEAN = 1e-4
"""Of the largest that a sum of such numbers can be, 1; float32 rounds by 1e-7 in each."""
_SAME_SPREAD = 1e-3
"""Relative; what is added to a spread against a division by 0 is in it."""
_PLANE, _BLOCK = 2, 3


def scaled_together(call: LossCall, given: Sequence[Tensor]) -> Facts:
    """Share of the samples whose inputs and targets have, together and not alone, a mean of 0 and one and the same spread.

    Of several series that the model is given the one of which that holds most often. Nothing where the targets are classes or no series.

    Args:
        call: a loss call.
        given: the real tensors among the model's arguments.
    """
    target = call.target
    if target is None or call.indexed or not target.is_floating_point() or not target.dim():
        return {}
    if len(target) < _FEWEST or not 0 < target[0].numel() <= _WINDOW:
        return {}
    shares = [
        _share(*pair)
        for one in given
        if one.dim() and len(one) == len(target) and one.device == target.device
        if one[0].numel() <= _WINDOW
        for pair in _series(one.detach(), target.detach())
    ]
    return {CALL_SCALED_TOGETHER: torch.stack(shares).max()} if shares else {}


def _series(inputs: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each series real[N, T] of the inputs, with what is asked of it, real[N, H]."""
    limit = min(max(_NUMBERS // (inputs[0].numel() + target[0].numel()), _FEWEST), _MOST)
    inputs, target = rows(inputs, limit), rows(target, limit)
    if inputs.dim() == _PLANE:
        yield inputs, target.flatten(1) if target.dim() > 1 else target[:, None]
    elif inputs.dim() == _BLOCK:
        for block in (inputs, inputs.transpose(1, 2)):
            channels = block.shape[2]
            each = target.dim() == _BLOCK and target.shape[2] == channels > 1
            for channel in range(min(channels, _CHANNELS)):
                asked = target[:, :, channel] if each else target.reshape(len(target), -1)
                yield block[:, :, channel], asked


def _share(inputs: Tensor, target: Tensor) -> Tensor:
    """Of one series."""
    if inputs.shape[1] < _LEAST:
        return torch.zeros((), device=inputs.device)
    wide = torch.float32 if inputs.device.type == "mps" else torch.float64
    known, asked = inputs.to(wide), target.to(wide)
    both = torch.cat([known, asked], 1)
    size = both.square().sum(1)
    alike = (size - size.median()).abs() <= _SAME_SPREAD * size.median()
    together = _without_mean(both) & alike & (size > 0)
    # What is 0 by itself, or cut to it, was scaled alone.
    return (together & ~_without_mean(known) & ~_without_mean(asked)).float().mean()


def _without_mean(numbers: Tensor) -> Tensor:
    """bool[N]; of one number, whether it is 0."""
    most = (numbers.shape[1] * numbers.square().sum(1)).sqrt()
    return numbers.sum(1).abs() <= _NO_MEAN * most
