"""Whether a sequence model's targets are its own inputs: at the same place (all, or all but those behind a mask), the next one, or two ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.copied import copied_facts
from tb_lossdiag.collect.check_up.loss.ends import end_facts
from tb_lossdiag.collect.check_up.loss.filled import filled_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.padding import padded
from tb_lossdiag.collect.check_up.loss.questions import question_facts
from tb_lossdiag.collect.check_up.loss.worst import worst_facts
from tb_lossdiag.collect.check_up.model.documents import counted, numbered
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import (
    CALL_ALIGNED,
    CALL_PADDED,
    CALL_SHOWN,
    CALL_TARGET_AHEAD,
    CALL_UNASKED,
)

_EVERY = torch.ones((), dtype=torch.bool)
_AHEAD = (0, 1, 2)
"""Places that a target may lie ahead of the input it belongs to."""
_FLAGS = 2
"""Different values of a mask or of segments; tokens have more."""
_SERIES, _FEATURES = 3, 16
_ONE_MASK = 0.7
"""Share of hidden tokens that are one and the same; of BERT's a tenth is replaced at random."""
_ALL = 0.99
"""Share of targets that is all of them: a few may have been replaced on purpose."""


def alignment_facts(
    call: LossCall,
    given: Sequence[Tensor],
    masks: Sequence[Tensor] = (),
    read: Sequence[Tensor] = (),
) -> Facts:
    """How many targets could be compared with the tokens, and how many places ahead of them they lie; -1 for none.

    Which targets count is known at once only where the call reduces them itself; else see `scored_facts`.

    Args:
        call: a loss call of class indices.
        given: what `sequences` found in the model's arguments.
        masks: of these arguments those that may be a mask.
        read: of these sequences those that were looked up in a table.
    """
    placed = _placed(call, given)
    scored = {} if call.unreduced else _scored(call, placed, (given, masks), _EVERY)
    if placed is None:
        return {**scored, **copied_facts(call, read)}
    return {
        CALL_ALIGNED: float(placed.compared),
        CALL_TARGET_AHEAD: float(placed.ahead),
        CALL_UNASKED: 1 - placed.asked.any(1).float().mean(),
        **scored,
    }


def scored_facts(
    call: LossCall, given: Sequence[Tensor], masks: Sequence[Tensor], scored: Tensor
) -> Facts:
    """What the targets are that count.

    Args:
        call: a loss call of class indices.
        given: what `sequences` found in the model's arguments.
        masks: of these arguments those that may be a mask.
        scored: bool, as the targets, or one for all: those whose loss counts for anything.
    """
    return _scored(call, _placed(call, given), (given, masks), scored)


class _Placed(NamedTuple):
    """Targets beside the tokens: which are asked for, how many places ahead they lie, and how many could be compared."""

    rows: Tensor
    tokens: Tensor
    asked: Tensor
    ahead: int
    compared: int


def _placed(call: LossCall, given: Sequence[Tensor]) -> _Placed | None:
    target = call.answered.target
    if target is None or not call.indexed or (tokens := _tokens(given)) is None:
        return None
    if (rows := _rows(target, tokens)) is None:
        return None
    asked = rows != _ignored(call)
    return _Placed(rows, tokens, asked, *_ahead(rows, tokens, asked))


def _ignored(call: LossCall) -> int:
    ignored: int = call.options.get("ignore_index", -100)
    return ignored


def _scored(
    call: LossCall,
    placed: _Placed | None,
    known: tuple[Sequence[Tensor], Sequence[Tensor]],
    scored: Tensor,
) -> Facts:
    """What the targets are that count; `known` are sequences and masks among the model's arguments."""
    (given, masks), target = known, call.answered.target
    if target is None or not call.indexed:
        return {}
    if scored.numel() == 1:
        scored = scored.to(target.device).expand(target.shape)
    if placed is None:
        return _padding_alone(target, given, _ignored(call), scored)
    rows, tokens, asked, ahead, _ = placed
    time_first = {} if ahead >= 0 else _time_first(target, tokens, _ignored(call), scored)
    counted = asked & scored.reshape(rows.shape)
    if not counted.any():
        return {}
    return {
        CALL_PADDED: padded(rows, tokens, counted),
        **filled_facts(rows, tokens, counted),
        **time_first,
        **_shown(rows, tokens, counted),
        **(_of_next_tokens(call, (rows, tokens, counted), masks) if ahead == 1 else {}),
    }


def _of_next_tokens(
    call: LossCall, asked: tuple[Tensor, Tensor, Tensor], masks: Sequence[Tensor]
) -> Facts:
    """What only a model has that is asked for the next token; `asked` are targets, tokens, and which of the targets count."""
    rows, tokens, counted = asked
    return {
        **end_facts(rows, tokens, counted, masks),
        **question_facts(tokens, counted),
        **worst_facts(call, counted),
    }


def _rows(target: Tensor, tokens: Tensor) -> Tensor | None:
    """The targets as rows beside the tokens, where there is one for each, but for the last or the first."""
    batch, length = tokens.shape
    fits = target.numel() in {batch * length, batch * (length - 1)}
    return target.detach().reshape(batch, -1) if fits else None


def _padding_alone(target: Tensor, given: Sequence[Tensor], ignored: int, scored: Tensor) -> Facts:
    """Padding, where of several sequences one is the targets' own beginning: an encoder may have seen the answer, as it should."""
    several = _tokens(given) is None
    for tokens in given:
        rows = _rows(target, tokens) if several else None
        if rows is not None and _ahead(rows, tokens, rows >= 0)[0] == 1:
            counted = (rows != ignored) & scored.reshape(rows.shape)
            return {CALL_PADDED: padded(rows, tokens, counted)}
        if found := _time_first(target, tokens, ignored, scored):
            return found
    return {}


def _time_first(target: Tensor, tokens: Tensor, ignored: int, scored: Tensor) -> Facts:
    """Padding, where targets are the next tokens along the first axis; nothing where they are not, for that axis is then no time."""
    width = tokens.shape[1]
    if not width or target.numel() not in {tokens.numel(), tokens.numel() - width}:
        return {}
    rows, counts = (each.detach().reshape(-1, width).T for each in (target, scored))
    counted = counts & (rows != ignored)
    if _ahead(rows, tokens.T, counted)[0] != 1:
        return {}
    return {CALL_PADDED: padded(rows, tokens.T, counted)}


def _shown(rows: Tensor, tokens: Tensor, counted: Tensor) -> Facts:
    """How many of the targets a masked model is shown; nothing where no mask stands for the others."""
    if rows.shape != tokens.shape:
        return {}
    hidden = tokens[counted & (rows != tokens)]
    if not hidden.numel():
        return {}
    _, counts = hidden.unique(return_counts=True)
    if int(counts.max()) < _ONE_MASK * hidden.numel():
        return {}
    return {CALL_SHOWN: 1 - hidden.numel() / int(counted.sum())}


def _tokens(given: Sequence[Tensor]) -> Tensor | None:
    """The tokens among them; None where two are, one of which the model may have to repeat: a source and a target, say."""
    tokens = [t for t in given if t.unique().numel() > _FLAGS and not (counted(t) or numbered(t))]
    if not tokens:
        return None
    first, *others = tokens
    alone = all(o.shape == first.shape and _ahead(o, first, o >= 0)[0] >= 0 for o in others)
    return first if alone else None  # labels that are given to the model are no second question


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
