"""The writer's own clips: torch's results, and an entry in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect import amp, clipping
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.ledger import ClipLedger, Order
from tb_lossdiag.collect.optimizer import OptimizerWatch


class Clipper:
    """Clips and notes it.

    Args:
        guarded: switches noting off if it fails; clipping goes on.
        ledger: where clips are noted.
        optimizers: know which gradients have been used already.

    Attributes:
        scaler: the newest GradScaler that was given, or None.
    """

    def __init__(self, guarded: Guard, ledger: ClipLedger, optimizers: OptimizerWatch) -> None:
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
        order = self._guarded("clipping", lambda: self._order(given))
        total, each = clipping.clip(given, max_norm, norm_type, error_if_nonfinite, foreach)
        if float(norm_type) == 2.0:  # noqa: PLR2004
            self._note(given, (total, max_norm, each, None), order)
        return total

    def value(self, tensors: Iterable[Tensor] | Tensor, bound: float, foreach: bool | None) -> None:
        """Clip by value as torch does, and note it."""
        given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        order = self._guarded("clipping", lambda: self._order(given))
        before, after = clipping.clip_value(given, bound, foreach)
        total, left = torch.linalg.vector_norm(before), torch.linalg.vector_norm(after)
        self._note(given, (total, bound, before, left), order)

    def _note(
        self,
        given: Sequence[Tensor],
        seen: tuple[Tensor, float, Tensor | None, Tensor | None],
        order: Order | None,
    ) -> None:
        """Note total norm, bound, norms before and total norm after a clip by value."""
        if order is None:
            return
        total, bound, each, after = seen
        self._guarded(
            "clipping",
            lambda: self._ledger.note(
                given, total, bound, each=each, after=after, order=order, scale=self._scale(order)
            ),
        )

    def _order(self, given: Sequence[Tensor]) -> Order:
        if self.scaler is None:
            return Order(self._optimizers.used(given))
        before = not amp.is_unscaled(self.scaler, self._optimizers.alive())
        return Order(self._optimizers.used(given), float(before))

    def _scale(self, order: Order) -> float:
        """The loss scale that the gradients of a clip carried."""
        return float(self.scaler.get_scale()) if order.before_unscale == 1.0 else 1.0
