"""The ledger of clip calls: what was clipped, by how much, and when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tb_lossdiag.collect.state.gradient_versions import GradientVersions
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.transfer import gather, is_whole, local
from tb_lossdiag.collect.unrest import Unrest
from tb_lossdiag.quantities import (
    CLIP_AFTER_STEP,
    CLIP_BEFORE_UNSCALE,
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_EPSILON,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    CLIP_NONFINITE,
    CLIP_NORM_AFTER,
    CLIP_PARAMETERS,
    Quantity,
    clip_coefficient,
)
from tb_lossdiag.records import Doubles, Floats, Record

UNKNOWN = float("nan")


class Order(NamedTuple):
    """What was seen of a clip's place in the loop; NaN = could not be seen.

    Attributes:
        after_step: 1 if an optimizer had already used these gradients, 0 if not.
        before_unscale: 1 if they still carried a GradScaler's scale, 0 if not.
    """

    after_step: float = UNKNOWN
    before_unscale: float = UNKNOWN


UNSEEN = Order()


class ClipCall(NamedTuple):
    """One clip that was done.

    Attributes:
        total: global norm before clipping, 0-d.
        bound: the largest norm, or the largest element of a clip by value.
        after: global norm after clipping by value, 0-d; None: it follows from total and bound.
        order: its place in the loop.
        each: norms before clipping of the parameters in `held`, or None if they are not known.
        held: ids of the parameters with a gradient in the clipped set.
        mark: the gradients as the clip left them.
        known: whether `total` is known on this rank.
    """

    total: Tensor
    bound: float
    after: Tensor | None
    order: Order
    each: Tensor | None
    held: list[int]
    mark: GradientVersions
    known: bool = True

    def left(self) -> Tensor:
        """`after`, or what stands for it."""
        return self.total if self.after is None else self.after


class ClipBatch(NamedTuple):
    """The newest clip of each set of parameters, by column name, and how many there were of each."""

    calls: dict[str, ClipCall]
    counts: list[int]

    def sample(self) -> Measurement:
        """As a sample."""
        return sample(self.calls, self.counts)

    def with_norms(self, totals: Sequence[float]) -> list[Record]:
        """As records, with global norms that were not known when the clips were done."""
        known = zip(self.calls.items(), totals, strict=True)
        calls = {name: c._replace(total=torch.tensor(t), known=True) for (name, c), t in known}
        made = sample(calls, self.counts)
        return made.finish(gather(made.tensors))


class Before(NamedTuple):
    """Norms of gradients before their clip.

    Attributes:
        held: ids of the parameters.
        each: float[n], the norm of each one's gradient.
        unscaled: whether they surely carry no loss scale; if not, they carry what the gradients carried then.
        call: the clip.
    """

    held: list[int]
    each: Tensor
    unscaled: bool
    call: ClipCall

    def factor(self) -> Tensor | None:
        """What the norm of a gradient that the clip has shrunk is multiplied with, None where it has cut single elements."""
        return unclipped(self.call.total, self.call.bound) if self.call.after is None else None


class ClipLedger:
    """Clip calls since the last record, the newest for each clipped set of parameters.

    Attributes:
        calls: those since the last record, by column.
        agreed: ids of parameters whose clip is no unrest, as long as it is a step's only one: each step has it.
        clipped: ids of the parameters of the newest clip.
        missed: ids of parameters that were clipped without a note: what their norms were before is not known.

    Args:
        unrest: every clip is some, but the one that was agreed on.
    """

    def __init__(self, unrest: Unrest | None = None) -> None:
        """Start empty."""
        self._unrest = unrest or Unrest()
        self.calls: dict[str, ClipCall] = {}
        self.agreed: list[int] | None = None
        self._newest: dict[str, ClipCall] = {}
        self._counts: dict[str, int] = {}
        self._columns: dict[tuple[str, int], str] = {}
        self._ids: list[int] = []
        self.clipped: set[int] = set()
        self.missed: set[int] = set()

    @property
    def empty(self) -> bool:
        """Whether there was no call since the last record."""
        return not self.calls

    @property
    def quiet(self) -> bool:
        """Whether no clip matters to norms that are taken now."""
        return not (self.calls or self._newest or self.missed)

    @property
    def steady(self) -> ClipCall | None:
        """The newest clip by norm, where there is no other, and all of its norms are known."""
        if self.calls or self.missed or len(self._newest) != 1:
            return None
        (call,) = self._newest.values()
        return call if call.after is None and call.each is not None and call.known else None

    @property
    def only(self) -> ClipCall | None:
        """The clip since the last record, if it is one."""
        return next(iter(self.calls.values())) if len(self.calls) == 1 else None

    @property
    def knows_norms(self) -> bool:
        """Whether norms before a clip may be had, recorded already or not."""
        return bool(self._newest)

    def note(
        self,
        parameters: Sequence[Tensor],
        total: Tensor,
        bound: float,
        *,
        each: Tensor | None,
        after: Tensor | None = None,
        order: Order,
        scale: float = 1.0,
        grads: Sequence[Tensor] = (),
    ) -> None:
        """Remember a clip that has just been done, of gradients that carried this loss scale; they may be given where all have one."""
        held = parameters
        if not len(grads) == len(parameters) > 0:
            held = [parameter for parameter in parameters if parameter.grad is not None]
            grads = [parameter.grad for parameter in held if parameter.grad is not None]
        column, ids = (
            self._column("clip" if after is None else "clip value", held),
            list(map(id, held)),
        )
        mark = GradientVersions.of(ids, grads)
        if ids != self.agreed or self.calls or after is not None:
            self._unrest.stir()
        if ids != self._ids or not self.clipped:
            self._ids, self.clipped = ids, set(ids)
        if each is not None and scale != 1.0:
            each = each / scale
        here, known = total.detach() if total.requires_grad else total, True
        if type(total) is not Tensor:
            here, known = local(here), is_whole(total)
        call = ClipCall(here, float(bound), after, order, each, ids, mark, known)
        self.calls[column] = call
        self._newest.pop(column, None)
        self._newest[column] = call
        self._counts[column] = self._counts.get(column, 0) + 1
        if self.missed:
            self.missed.difference_update(ids)

    def miss(self, parameters: Iterable[Tensor]) -> None:
        """These were clipped without a note."""
        self._unrest.stir()
        self.missed.update(map(id, parameters))

    def norms_before(self, parameters: Sequence[Tensor]) -> Before | None:
        """Norms before the newest clip of these parameters, if their gradients are as it left them."""
        for call in reversed(self._newest.values()):
            if call.each is not None and call.mark.unchanged(parameters):
                scale_known = not math.isnan(call.order.before_unscale)
                return Before(call.held, call.each.float(), scale_known, call)
        self._newest = {c: k for c, k in self._newest.items() if not k.mark.knows(parameters)}
        return None

    def spoiled(self, parameters: Sequence[Tensor]) -> bool:
        """Whether norms of these parameters' gradients can only be had as a clip left them."""
        return bool(self.missed) and not self.missed.isdisjoint(map(id, parameters))

    def used(self, parameters: Sequence[Tensor]) -> None:
        """These parameters' gradients are over."""
        if self.missed:
            self.missed.difference_update(map(id, parameters))

    def take(self) -> ClipBatch | None:
        """The calls, and forget them; None if there were none."""
        if not self.calls:
            return None
        calls, counts = self.calls, self._counts
        self.calls, self._counts = {}, {}
        return ClipBatch(calls, list(counts.values()))

    def _column(self, kind: str, held: Sequence[Tensor]) -> str:
        key = (kind, id(held[0]) if held else 0)
        if key not in self._columns:
            number = 1 + sum(known == kind for known, _ in self._columns)
            self._columns[key] = kind if number == 1 else f"{kind} {number}"
        return self._columns[key]


def sample(calls: dict[str, ClipCall], counts: Sequence[int]) -> Measurement:
    """Clip calls by column name, and how many there were of each, as a sample."""
    names, done = tuple(calls), list(calls.values())

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        values = np.concatenate(arrays)
        found = known(done, counts, values[: len(names)], values[len(names) :])
        return [Record(quantity, names, row) for quantity, row in found.items()]

    return Measurement([*(call.total for call in done), *map(ClipCall.left, done)], finish)


def known(
    calls: Sequence[ClipCall], counts: Sequence[int], total: Floats, after: Floats
) -> dict[Quantity, Floats]:
    """float32[n] by quantity: of n clips of so many calls each, and norms before and after them that are on the host now."""
    kinds = np.array([(call.after is None, call.known) for call in calls])
    fixed: dict[Quantity, Sequence[float]] = {
        CLIP_MAX_NORM: [call.bound for call in calls],
        CLIP_CALLS: counts,
        CLIP_AFTER_STEP: [call.order.after_step for call in calls],
        CLIP_BEFORE_UNSCALE: [call.order.before_unscale for call in calls],
        CLIP_PARAMETERS: [len(call.held) or UNKNOWN for call in calls],
    }
    measured = _measured(total.astype(np.float64), after.astype(np.float64), kinds, fixed)
    return {q: np.array(v, np.float32) for q, v in {**fixed, **measured}.items()}


def _measured(
    total: Doubles,
    after: Doubles,
    kinds: npt.NDArray[np.bool_],
    fixed: dict[Quantity, Sequence[float]],
) -> dict[Quantity, Doubles]:
    by_norm, known = kinds[:, 0], kinds[:, 1]
    coefficient = clip_coefficient(total, fixed[CLIP_MAX_NORM])
    left = np.where(by_norm, total * coefficient, after)
    changed = np.where(by_norm, coefficient < 1, left < total)
    known = known & (by_norm | ~np.isnan(left) | np.isnan(total))
    return {
        CLIP_GLOBAL_NORM: total,
        CLIP_NORM_AFTER: left,
        CLIP_NONFINITE: np.where(kinds[:, 1], ~np.isfinite(total), UNKNOWN),
        CLIP_BOUND: np.where(known, changed * np.array(fixed[CLIP_CALLS]), UNKNOWN),
    }


def reported(total: Tensor, max_norm: float) -> Measurement:
    """A clip the user did and reports; its place in the loop was not seen."""
    return sample(
        {"clip": ClipCall(total, max_norm, None, Order(), None, [], GradientVersions(()))}, [1]
    )


def unclipped(total: Tensor, max_norm: float) -> Tensor:
    """What a clipped norm is multiplied with to be what it was before; NaN where nothing is left of it."""
    coefficient = torch.clamp(max_norm / (total.float() + CLIP_EPSILON), max=1.0)
    return 1.0 / torch.where(coefficient > 0, coefficient, UNKNOWN)
