"""Does the future change the past? The second half of each sequence, padding aside, is replaced, and the first half's outputs are compared."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Facts, is_real
from tb_lossdiag.collect.probes.changes import change
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.session import Session
from tb_lossdiag.quantities import (
    PROBE_FUTURE_CHANGE,
    PROBE_FUTURE_MOVED,
    PROBE_REACH,
    Unprobed,
)

_SHORTEST = 8
"""Places of a sequence."""
_SEQUENCE = 2
_NONE = 1e-3
"""Beside what else changes it is rounding."""


class FutureLeak:
    """The probe, for models that are trained on their own input, shifted by one."""

    ahead = True
    compares = True

    def __init__(self) -> None:
        self.done = False

    def run(self, session: Session) -> Facts:
        """Ask.

        Raises:
            Inapplicable: it is given no sequences, or returns nothing for each place.
        """
        self.done = True
        shape = sequence_shape(session)
        half = _middle(session, shape)
        early = slice(0, half)
        before, after = _answers(session, shape, slice(half, None), same=early)
        seen = _changed(before, after, early)
        if seen > _NONE and not _changed(before[:1], after[:1], early) > _NONE * seen:
            seen = 0.0  # the first row has none before it: the others see these, as pieces of one text do
        return {
            PROBE_FUTURE_CHANGE: seen,
            PROBE_FUTURE_MOVED: _changed(before, after, slice(half, None)),
        }


class ShortReach:
    """Does the start reach the end? The first quarter is replaced, and the last quarter's outputs are compared."""

    ahead = True
    compares = True

    def __init__(self) -> None:
        self.done = False

    def run(self, session: Session) -> Facts:
        """Ask.

        Raises:
            Inapplicable: it is given no sequences, or returns nothing for each place.
        """
        self.done = True
        shape = sequence_shape(session)
        quarter = shape[1] // 4
        before, after = _answers(session, shape, slice(0, quarter))
        return {PROBE_REACH: _changed(before, after, slice(-quarter, None))}


def sequence_shape(session: Session) -> tuple[int, int]:
    """(N, T) of the tokens, or of the series of measured values.

    Raises:
        Inapplicable: it is given none.
    """
    given = [session.act(t) for t in session.given.tensors()]
    tokens = [t for t in given if t.dtype == torch.int64 and t.dim() == _SEQUENCE]
    values = [t for t in given if is_real(t) and t.dim() in (_SEQUENCE, _SEQUENCE + 1)]
    shapes = [tuple(t.shape[:2]) for t in tokens or values if t.shape[1] >= _SHORTEST]
    if not shapes or not session.ahead:
        raise Inapplicable(Unprobed.ARGUMENTS)
    count, length = shapes[0]
    return count, length


def _middle(session: Session, shape: tuple[int, int]) -> int:
    """The middle of what differs from sample to sample: of short sequences the second half is padding, which to replace tells nothing."""
    count, length = shape
    given = (session.act(tensor) for tensor in session.given.tensors())
    asked = next((tensor for tensor in given if tuple(tensor.shape[:2]) == shape), None)
    if asked is None or count == 1:
        return length // 2
    differs = (asked != asked.roll(1, 0)).reshape(count, length, -1).any(2)
    ends = (differs * torch.arange(1, length + 1, device=asked.device)).amax(1)
    return max(1, min(length, int(ends.median())) // 2)


def _answers(
    session: Session, shape: tuple[int, int], places: slice, *, same: slice | None = None
) -> tuple[Tensor, Tensor]:
    return answered(session, shape, _replaced(shape, places), same=same)


def answered(
    session: Session,
    shape: tuple[int, ...],
    replaced: Callable[[Tensor], Tensor],
    *,
    same: slice | None = None,
) -> tuple[Tensor, Tensor]:
    """What is returned for each place, and what it is once something was replaced; `same`: places that should not change by it.

    Raises:
        Inapplicable: nothing is.
    """
    before, _ = session.plain()

    def act(tensor: Tensor) -> Tensor:
        return replaced(session.act(tensor))

    if same is None:
        return _for_places(before, session.ask(act)[0], shape)

    def changed(after: list[Tensor]) -> float:
        return _changed(*_for_places(before, after, shape), same)

    return _for_places(before, session.ask_quietly(act, changed=changed)[0], shape)


def _for_places(
    before: list[Tensor], after: list[Tensor], shape: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    for one, other in zip(before, after, strict=False):
        if one.shape[:2] == shape and one.shape == other.shape:
            return one, other
    raise Inapplicable(Unprobed.OUTPUTS)


def _replaced(shape: tuple[int, int], places: slice) -> Callable[[Tensor], Tensor]:
    """These places become another sample's; of one sample alone, they are turned around."""

    def act(tensor: Tensor) -> Tensor:
        if tuple(tensor.shape[:2]) == shape:
            part = tensor[:, places]
            tensor[:, places] = part.roll(1, 0) if shape[0] > 1 else part.flip(1)
        return tensor

    return act


def _changed(before: Tensor, after: Tensor, places: slice) -> float:
    every = torch.ones(before.shape[0], dtype=torch.bool, device=before.device)
    return change(before[:, places], after[:, places], 0, every)
