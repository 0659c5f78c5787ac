"""The writer's own clips: torch's results, and an entry in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_ as torch_clip
from torch.nn.utils import clip_grad_value_ as torch_clip_value

from tb_lossdiag.collect.clips import clipping
from tb_lossdiag.collect.clips.ledger import ClipLedger, Order
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state import scaler
from tb_lossdiag.collect.state.optimizers import Optimizers


class Clipper:
    """Clips and notes it.

    Args:
        guarded: keeps noting's failures to itself; clipping goes on.
        ledger: where clips are noted.
        optimizers: know which gradients have been used already.

    Attributes:
        scaler: the newest GradScaler that was given, or None.
    """

    def __init__(self, guarded: Guard, ledger: ClipLedger, optimizers: Optimizers) -> None:
        self._guarded, self._ledger, self._optimizers = guarded, ledger, optimizers
        self.scaler: Any = None

    def norm(
        self,
        tensors: Iterable[Tensor] | Tensor,
        max_norm: float,
        norm_type: float,
        error_if_nonfinite: bool,
        foreach: bool | None,
    ) -> Tensor:
        """Clip by norm as torch does, and note it; the total norm before."""
        given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        bound, kind = float(max_norm), float(norm_type)
        order = self._guarded.door("clipping", self._order, given)
        known = self._guarded.seen(  # where it does the clip's own work
            "clipping", clipping.before, given, bound, kind, error_if_nonfinite, foreach
        )
        if known is None or known.total is None or known.coefficient is None:
            total = torch_clip(given, bound, kind, error_if_nonfinite, foreach)
        else:
            total = known.total
            with torch.no_grad():
                torch._foreach_mul_(known.grads, known.coefficient)
        if kind == 2.0:  # noqa: PLR2004
            noted = self._guarded.door(
                "clipping", self._note_norm, given, total, bound, known, order
            )
            if not noted:
                self._ledger.missed.update(map(id, given))
        return total

    def value(self, tensors: Iterable[Tensor] | Tensor, bound: float, foreach: bool | None) -> None:
        """Clip by value as torch does, and note it."""
        given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        order = self._guarded.door("clipping", self._order, given)
        before = self._guarded.door("clipping", clipping.value_norms, given)
        torch_clip_value(given, bound, foreach)
        noted = self._guarded.door("clipping", self._note_value, given, bound, before, order)
        if not noted:
            self._ledger.missed.update(map(id, given))

    def _note_norm(
        self,
        given: Sequence[Tensor],
        total: Tensor,
        bound: float,
        known: clipping.Before | None,
        order: Order | None,
    ) -> bool:
        """Note a clip by norm that has been done; whether that is possible."""
        if known is None or order is None:
            return False
        scale = self._scale(order)
        self._ledger.note(given, total, bound, each=known.each, order=order, scale=scale)
        return True

    def _note_value(
        self, given: Sequence[Tensor], bound: float, before: Tensor | None, order: Order | None
    ) -> bool:
        """Note a clip by value that has been done; whether that is possible."""
        if before is None or order is None:
            return False
        total = torch.linalg.vector_norm(before)
        left = torch.linalg.vector_norm(clipping.value_norms(given))
        scale = self._scale(order)
        self._ledger.note(given, total, bound, each=before, after=left, order=order, scale=scale)
        return True

    def _order(self, given: Sequence[Tensor]) -> Order:
        if self.scaler is None:
            return Order(self._optimizers.used(given))
        before = not scaler.is_unscaled(self.scaler, self._optimizers.alive())
        return Order(self._optimizers.used(given), float(before))

    def _scale(self, order: Order) -> float:
        """The loss scale that the gradients of a clip carried."""
        return float(self.scaler.get_scale()) if order.before_unscale == 1.0 else 1.0
