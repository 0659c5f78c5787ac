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
    tensors = [t.detach() for t in given if t.dim() and t.numel() and not t.is_complex()]
    size = tensors[0].shape[0] if tensors else 0
    own = [t.reshape(size, -1) for t in tensors if t.shape[0] == size and t.device.type != "meta"]
    if size < 2 or sum(t.shape[1] for t in own) < _FEWEST:  # noqa: PLR2004
        return None
    return torch.stack([_sums(t) * (place + 1) for place, t in enumerate(own)]).sum(0)


def _sums(rows: Tensor) -> Tensor:
    wide = torch.float32 if rows.device.type == "mps" else torch.float64
    weights = torch.arange(1, rows.shape[1] + 1, device=rows.device, dtype=wide).sin()
    return (rows.to(wide) * weights).sum(1)


class Repeats:
    """Compares the batches of check-ups."""

    def __init__(self) -> None:
        self._before: Tensor | None = None

    def facts(self, now: Tensor | None) -> Facts:
        """What the samples of the newest one have in common with each other and with those before."""
        if now is None:
            return {}
        before, self._before = self._before, now
        return {
            EQUAL_SAMPLES: _equal(now),
            BATCH_REPEATED: _repeated(before, now),
            BATCH_NUMBER: _number(now),
        }


def _equal(samples: Tensor) -> Value:
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
