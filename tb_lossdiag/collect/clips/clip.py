"""The writer's own clips: torch's results, and an entry in the ledger, from norms that are worked out once for both."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_ as torch_clip
from torch.nn.utils import clip_grad_value_ as torch_clip_value

from tb_lossdiag.collect.clips.ledger import UNSEEN, ClipLedger, Order
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state import scaler
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.collect.state.parameters import is_distributed, norms
from tb_lossdiag.collect.unseen import looked_at, unseen
from tb_lossdiag.quantities import CLIP_EPSILON

_SURELY = 1 - 1e-6
"""Three roundings of single precision change less."""
_SMALLEST = 5e-324
_LEAST, _MOST = 1e-12, 1e12
"""Between them nothing that a coefficient is worked out of leaves the range where single precision is as fine as it can be."""
_EPSILON = array("f", (CLIP_EPSILON,))[0]
_kind: Callable[[Tensor], object] = operator.attrgetter(
    "dtype", "layout", "requires_grad", "is_cpu", "is_cuda"
)
_HOST = torch.float32, torch.strided, False, True, False
_DEVICE = torch.float32, torch.strided, False, False, True
_quick_kind: Callable[[Tensor], object] = operator.attrgetter(
    "dtype", "layout", "requires_grad", "is_cpu"
)
_QUICK = {_HOST[:4]}


class BeforeClip(NamedTuple):
    """Gradients that are about to be clipped by norm.

    Attributes:
        each: float[n], L2 norm of each; None if there is none.
        total: their norm; None where torch is to work it out.
        grads: the n gradients.
        coefficient: what clips them where `total` is known, a number where that is on the host; None if it leaves them as they are.
    """

    each: Tensor | None
    total: Tensor | None = None
    grads: list[Tensor] | tuple[Tensor, ...] = ()
    coefficient: Tensor | float | None = None


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
        usual = kind == 2.0 and foreach is None and not error_if_nonfinite  # noqa: PLR2004
        if usual and (done := self._quick(given, bound)) is not None:
            return done
        order = self._guarded.door("clipping", self._order, given)
        known = self._guarded.seen(  # where it does the clip's own work
            "clipping", _before, given, bound, kind, error_if_nonfinite, foreach
        )
        if known is None or known.total is None:
            total = torch_clip(given, bound, kind, error_if_nonfinite, foreach)
        else:
            total = known.total
            if known.coefficient is not None:
                torch._foreach_mul_(known.grads, known.coefficient)
        if kind == 2.0:  # noqa: PLR2004
            noted = self._guarded.door(
                "clipping", self._note_norm, given, total, bound, known, order
            )
            if not noted:
                self._missed(given)
        return total

    def _quick(self, given: Sequence[Tensor], bound: float) -> Tensor | None:
        """The same of gradients that are alike and on the host, where nobody looks on: as few calls as can be. None: nothing is done."""
        try:
            grads = _gradients(given)
            if (
                not grads
                or self.scaler is not None
                or looked_at()
                or {*map(_quick_kind, grads)} != _QUICK
            ):
                return None
            if {*map(type, grads)} != {Tensor}:
                return None
            found = _shared(grads, bound)
            assert found.total is not None  # noqa: S101  (it is worked out here)
            order = Order(self._optimizers.used(given)) if self._optimizers.steps else UNSEEN
        except Exception as error:  # noqa: BLE001  (clipping must go on)
            self._guarded.caught("clipping", error)
            return None
        if found.coefficient is not None:
            torch._foreach_mul_(found.grads, found.coefficient)
        try:
            self._ledger.note(given, found.total, bound, each=found.each, order=order, grads=grads)
        except Exception as error:  # noqa: BLE001  (what was clipped is clipped)
            self._guarded.caught("clipping", error)
            self._missed(given)
        return found.total

    def _missed(self, given: Sequence[Tensor]) -> None:
        """What was clipped without a note is known, or not even that: the training goes on."""
        try:
            self._ledger.miss(given)
        except Exception as error:  # noqa: BLE001
            self._guarded.caught("clipping", error)

    def value(self, tensors: Iterable[Tensor] | Tensor, bound: float, foreach: bool | None) -> None:
        """Clip by value as torch does, and note it."""
        given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        order = self._guarded.door("clipping", self._order, given)
        before = self._guarded.door("clipping", _value_norms, given)
        torch_clip_value(given, bound, foreach)
        noted = self._guarded.door("clipping", self._note_value, given, bound, before, order)
        if not noted:
            self._missed(given)

    def _note_norm(
        self,
        given: Sequence[Tensor],
        total: Tensor,
        bound: float,
        known: BeforeClip | None,
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
        left = torch.linalg.vector_norm(_value_norms(given))
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


def _before(
    parameters: Sequence[Tensor],
    max_norm: float,
    norm_type: float,
    error_if_nonfinite: bool,
    foreach: bool | None,
) -> BeforeClip:
    """What can be known before a clip by norm; nothing is changed."""
    grads = _gradients(parameters)
    if not grads:
        return BeforeClip(None)
    if not _shares_one_pass(grads, norm_type, foreach) or error_if_nonfinite:
        with unseen():
            return BeforeClip(norms(grads))
    return _shared(grads, max_norm)


def _gradients(parameters: Sequence[Tensor]) -> list[Tensor]:
    return [grad for parameter in parameters if (grad := parameter.grad) is not None]


def _shared(grads: list[Tensor], max_norm: float) -> BeforeClip:
    """The one pass that torch would take, too."""
    each = torch.stack(torch._foreach_norm(grads, 2.0))  # noqa: SLF001
    total = torch.linalg.vector_norm(each, 2.0)
    if total.is_cpu and not looked_at():
        number = total.item()
        if _leaves_all(number, max_norm):
            return BeforeClip(each, total)
        if _LEAST < number < _MOST and _LEAST < max_norm < _MOST:
            return BeforeClip(each, total, grads, coefficient(number, max_norm))
    return BeforeClip(each, total, grads, torch.clamp(max_norm / (total + CLIP_EPSILON), max=1.0))


def coefficient(total: float, bound: float) -> float:
    """`torch.clamp(bound / (total + 1e-6), max=1.0)` of a number of single precision, to the last bit: its rounding, its order.

    A double rounded to single is what single precision gives of a sum, a product or a quotient of singles. In the midst of a training
    the four operations on tensors take 50 µs, which is a quarter of the clip of a small model.
    """
    cell = array("f", (total + _EPSILON,))
    cell[0] = 1.0 / cell[0]
    inverse = cell[0]
    cell[0] = bound
    cell[0] = inverse * cell[0]
    found = cell[0]
    return min(found, 1.0)


def _leaves_all(total: float, max_norm: float) -> bool:
    """Whether the coefficient is 1 for certain, however it is rounded, and 1 leaves every number what it is.

    It does not where numbers below 1e-38 are flushed to 0: there the smallest double is 0 as well.
    """
    return total + 2 * CLIP_EPSILON < max_norm * _SURELY and _SMALLEST > 0.0


def _value_norms(parameters: Sequence[Tensor]) -> Tensor:
    """float[n]: L2 norm of each gradient; NaN where ranks would have to add them up."""
    grads = _gradients(parameters)
    if any(map(is_distributed, grads)):
        return torch.full((1,), torch.nan)
    return norms(grads)


def _shares_one_pass(grads: Sequence[Tensor], norm_type: float, foreach: bool | None) -> bool:
    """Whether torch would take one fused pass too, so that the results agree to the last bit."""
    if norm_type != 2.0 or foreach is not None or {*map(type, grads)} != {Tensor}:  # noqa: PLR2004
        return False
    kinds = {*map(_kind, grads)}
    return kinds == {_HOST} or (kinds == {_DEVICE} and len({grad.device for grad in grads}) == 1)
