"""Whether samples of a batch are the same, whether the batch is the one before, and a number by which it is known again."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Facts, Value
from tb_lossdiag.quantities import BATCH_NUMBER, BATCH_REPEATED, EQUAL_SAMPLES

_FEWEST = 16
"""Numbers of a sample; of fewer, two samples may well be the same."""
_SAME = 1e-12
"""Of two sums of the same numbers: more than rounding."""
_BITS = 24
"""That a number in a record holds."""
_LOWEST = 40
"""The last bit of a sum that is looked at: those below may be rounding. Those before the last 24 may be what all batches have in common."""


def fingerprints(given: Iterable[Tensor]) -> Tensor | None:
    """float64[N]: a number for each sample, made of all its elements; None where there are no samples, or they are too small."""
    own = _rows(given)
    if sum(t.shape[1] for t in own) < _FEWEST:
        return None
    return torch.stack([_sums(t) * (place + 1) for place, t in enumerate(own)]).sum(0)


def small_samples(given: Iterable[Tensor]) -> Tensor | None:
    """float64[N]: the same of samples that are too small for it, where they are measured; None where they are not.

    Whole numbers are seldom told from each other by a few: a place on a board at which all games begin, say.
    """
    own = _rows(given)
    measured = [t for t in own if t.is_floating_point()]
    if not measured or sum(t.shape[1] for t in own) >= _FEWEST:
        return None
    sums = torch.stack([_sums(t) * (place + 1) for place, t in enumerate(own)]).sum(0)
    split = torch.stack([(t != t.round()).any() for t in measured]).any()
    return torch.where(split, sums, torch.arange(len(sums), device=sums.device, dtype=sums.dtype))


def _rows(given: Iterable[Tensor]) -> list[Tensor]:
    """real[N, F] each: what belongs to a sample; none where there are fewer than two."""
    tensors = [t.detach() for t in given if t.dim() and t.numel() and not t.is_complex()]
    size = tensors[0].shape[0] if tensors else 0
    own = [t for t in tensors if t.shape[0] == size and t.device.type != "meta"]
    return [t.reshape(size, -1) for t in own] if size > 1 else []


def _sums(rows: Tensor) -> Tensor:
    wide = torch.float32 if rows.device.type == "mps" else torch.float64
    weights = torch.arange(1, rows.shape[1] + 1, device=rows.device, dtype=wide).sin()
    return (rows.to(wide) * weights).sum(1)


class Repeats:
    """Compares the batches of check-ups."""

    def __init__(self) -> None:
        self._before: Tensor | None = None
        self._small: Tensor | None = None

    def facts(self, now: Tensor | None, small: Tensor | None = None) -> Facts:
        """What the samples of the newest one have in common with each other and with those before; of small ones, whether all are one."""
        if now is None:
            return self._of_small(small)
        before, self._before = self._before, now
        return {
            EQUAL_SAMPLES: _equal(now),
            BATCH_REPEATED: _repeated(before, now),
            BATCH_NUMBER: _number(now),
        }

    def _of_small(self, now: Tensor | None) -> Facts:
        """All are one, and another one than before: a constant that a model is given in place of an input is none of them."""
        before, self._small = self._small, now
        if before is None or now is None or before.device != now.device:
            return {}
        moved = (now[0] - before[0]).abs() > _SAME * now[0].abs()
        return {EQUAL_SAMPLES: ((_equal(now) == 1) & moved).float()}


def _equal(samples: Tensor) -> Tensor:
    ordered = samples.sort().values
    near = (ordered[1:] - ordered[:-1]).abs() <= _SAME * ordered[1:].abs()
    return near.sum() / (len(samples) - 1)


def _repeated(before: Tensor | None, now: Tensor) -> Value:
    if before is None:
        return math.nan
    if before.shape != now.shape or before.device != now.device:
        return 0.0
    return ((before - now).abs() <= _SAME * now.abs()).all().float()


def _number(samples: Tensor) -> Value:
    """The last bits of the samples' sum that rounding leaves alone."""
    total = samples.sum()
    if total.dtype is not torch.float64:  # which a record holds whole
        return total
    return (torch.frexp(total).mantissa * 2.0**_LOWEST).floor().remainder(2.0**_BITS)
