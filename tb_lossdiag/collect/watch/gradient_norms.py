"""Norms of a watched model's gradients as its step uses them, before clipping and after unscaling."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.clips.ledger import ClipLedger, unclipped
from tb_lossdiag.collect.state import scaler as amp
from tb_lossdiag.collect.state.parameters import nonfinite, norms, plain
from tb_lossdiag.collect.watch.gradient import merged

_LOOK_EVERY = 20
"""Steps between two looks at what kind the gradients are: it is the same from step to step."""


class Measure:
    """Measures the gradients of one optimizer's step.

    Args:
        optimizer: the optimizer.
        scaler: the GradScaler that calls it, or None.
        clips: clips that were seen; what they measured is not measured again.
    """

    def __init__(self, optimizer: Any, scaler: Any, clips: ClipLedger) -> None:
        self._optimizer, self._scaler, self._clips = optimizer, scaler, clips
        self._factor: Tensor | None = None
        self._plain = False
        self._looks = 0

    def reported_clip(self, total: Tensor, max_norm: float) -> None:
        """The user clipped on their own: the coming norms are given back as they were before."""
        self._factor = unclipped(total, max_norm)

    def norms(self, held: Sequence[nn.Parameter]) -> Tensor:
        """float[n], on their device, of parameters that have a gradient."""
        known = self._clips.norms_before(held) if self._clips.knows_norms else None
        scale = self._scale()
        if known is not None:
            each = known.each if known.unscaled or scale is None else known.each / scale
            return merged(held, known.held, each, 1.0 if scale is None else 1.0 / scale)
        each = self._fused([p.grad for p in held])  # type: ignore[misc]
        if self._factor is not None:
            each = each * self._factor
        return each if scale is None else each / scale

    def done(self) -> None:
        """The step has been taken: what was reported of its clip is over."""
        self._factor = None

    def _fused(self, grads: list[Tensor]) -> Tensor:
        if self._looks % _LOOK_EVERY == 0:
            self._plain = plain(grads)
        self._looks += 1
        if self._plain:
            with contextlib.suppress(NotImplementedError), torch.no_grad():  # if a sparse one comes
                each = torch.stack(torch._foreach_norm(grads))  # noqa: SLF001
                if each.dtype is torch.float32:
                    return each
        self._plain = False
        return norms(grads)

    def _scale(self) -> float | Tensor | None:
        """The loss scale that the gradients carry now, None for 1."""
        if self._scaler is not None:
            scale = amp.loss_scale(self._scaler, [self._optimizer])
            return None if scale == 1.0 else scale
        fused: Tensor | None = getattr(self._optimizer, "grad_scale", None)
        return fused


def broken(held: Sequence[Tensor], measured: Tensor) -> Any:
    """Non-finite elements float32[n] behind norms on the host, None if there are none; norms that only overflowed are put right."""
    values = measured.numpy()
    if np.isfinite(values).all():
        return None
    suspects = np.flatnonzero(~np.isfinite(values))
    counts = np.zeros(len(values), np.float32)
    for index in suspects.tolist():
        grad = held[index].grad
        counts[index] = 0 if grad is None else nonfinite(grad)
        if not counts[index] and grad is not None:  # finite, but its square is not
            values[index] = float(grad.double().norm())
    return counts if counts.any() else None
