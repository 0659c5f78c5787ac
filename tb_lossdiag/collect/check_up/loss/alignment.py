"""Whether a sequence model's targets are its own inputs: at the same place, the next one, or two ahead."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.padding import padded
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import CALL_ALIGNED, CALL_PADDED, CALL_TARGET_AHEAD

_AHEAD = (0, 1, 2)
"""Places that a target may lie ahead of the input it belongs to."""
_FLAGS = 2
"""Different values of a mask or of segments; tokens have more."""
_SERIES, _FEATURES = 3, 16
_ALL = 0.99
"""Share of targets that is all of them: a few may have been replaced on purpose."""


def alignment_facts(call: LossCall, given: Sequence[Tensor]) -> Facts:
    """How many targets could be compared with the tokens, and how many places ahead of them they lie; -1 for none.

    Args:
        call: a loss call of class indices.
        given: what `sequences` found in the model's arguments.
    """
    target = call.target
    if target is None or not call.indexed or (tokens := _tokens(given)) is None:
        return {}
    batch, length = tokens.shape
    if target.numel() not in {batch * length, batch * (length - 1)}:
        return {}
    rows = target.detach().reshape(batch, -1)
    counted = rows != call.options.get("ignore_index", -100)
    ahead, compared = _ahead(rows, tokens, counted)
    return {
        CALL_ALIGNED: float(compared),
        CALL_TARGET_AHEAD: float(ahead),
        CALL_PADDED: padded(rows, tokens, counted),
    }


def _tokens(given: Sequence[Tensor]) -> Tensor | None:
    """The tokens among them; None where two are, one of which the model may have to repeat: a source and a target, say."""
    tokens = [t for t in given if t.unique().numel() > _FLAGS and not _positions(t)]
    if not tokens:
        return None
    first, *others = tokens
    alone = all(o.shape == first.shape and _ahead(o, first, o >= 0)[0] >= 0 for o in others)
    return first if alone else None  # labels that are given to the model are no second question


def _positions(sequence: Tensor) -> bool:
    return bool((sequence.diff(dim=1) == 1).all())


def _ahead(rows: Tensor, tokens: Tensor, counted: Tensor) -> tuple[int, int]:
    """(how many places ahead of the tokens these are, -1 for none; how many could be compared)."""
    found = {ahead: _agreement(rows, tokens, ahead, counted) for ahead in _AHEAD}
    fits = [ahead for ahead, (same, of) in found.items() if of and same >= _ALL * of]
    return (fits[0] if len(fits) == 1 else -1), max(of for _, of in found.values())


def _agreement(rows: Tensor, tokens: Tensor, ahead: int, counted: Tensor) -> tuple[int, int]:
    """(targets equal to the token so far ahead, targets compared); where tokens nearby are the same, nothing can be told."""
    width = min(rows.shape[1], tokens.shape[1] - max(_AHEAD))
    if width < 1:
        return 0, 0
    near = [tokens[:, k : k + width] for k in _AHEAD]
    tells = counted[:, :width] & (near[0] != near[1]) & (near[1] != near[2]) & (near[0] != near[2])
    return int(((rows[:, :width] == near[ahead]) & tells).sum()), int(tells.sum())


def ahead_of(target: Tensor | None, given: Tensor | None) -> bool:
    """Whether a loss's target is the series that the model was given, one place further.

    Args:
        target: real[N, T] or real[N, T, F].
        given: the same; the target may be one of its features.
    """
    if target is None or given is None or not target.is_floating_point():
        return False
    wanted, had = (
        t.detach()[..., None] if t.dim() == _SERIES - 1 else t.detach() for t in (target, given)
    )
    if wanted.dim() != _SERIES or had.dim() != _SERIES or wanted.shape[:2] != had.shape[:2]:
        return False
    if wanted.shape[2] == had.shape[2]:
        return _one_on(wanted, had)
    features = had.unbind(2)[:_FEATURES] if wanted.shape[2] == 1 else ()
    return any(_one_on(wanted, feature[..., None]) for feature in features)


def _one_on(wanted: Tensor, had: Tensor) -> bool:
    moves = had[:, 1:] != had[:, :-1]
    same = (wanted[:, :-1] == had[:, 1:]) & moves
    return bool(moves.any()) and int(same.sum()) >= _ALL * int(moves.sum())
