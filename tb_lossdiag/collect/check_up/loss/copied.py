"""Whether a decoder is asked for the very tokens that it is given, beside a source that says something else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.model.documents import counted, numbered
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import CALL_ALIGNED, CALL_TARGET_AHEAD

_FLAGS = 2
"""Different values of a mask or of segments; tokens have more."""
_TABLE, _SHORTEST = 2, 2
_ALL = 0.99
"""Share of targets that is all of them: a few may have been replaced on purpose."""
_BEGUN = 0.1
"""Share of a sequence from which on it is the targets' beginning, one place back: of a decoder's words nine in ten may be dropped, as in an autoencoder of sentences."""


def copied_facts(call: LossCall, read: Sequence[Tensor]) -> Facts:
    """That targets lie at their own places in one of several sequences, and how many do; nothing otherwise.

    Labels that a model is given and asks no table for are no input. A source that is to be repeated is one, and no fault: the decoder is given
    the same a place later then, whole or with words left out, or word by word.

    Args:
        call: a loss call of class indices.
        read: sequences that the model looked up in its tables.
    """
    target, texts = call.answered.target, _texts(read)
    if target is None or not call.indexed or len(texts) < _TABLE:
        return {}
    asked = target.detach().flatten()
    asked = asked.masked_fill(asked == call.options.get("ignore_index", -100), -1)
    same = [text for text in texts if _is(text, asked)]
    source = texts[0]  # what is read first is what the decoder is to say something of
    if len(same) != 1 or same[0] is source or any(_begins(text, asked) for text in texts):
        return {}
    return {CALL_ALIGNED: float(int((asked >= 0).sum())), CALL_TARGET_AHEAD: 0.0}


def _texts(read: Sequence[Tensor]) -> list[Tensor]:
    """Those that are no flags or numbers of places, each once."""
    found: list[Tensor] = []
    for each in read:
        known = each.dim() != _TABLE or any(torch.equal(each, one) for one in found)
        if not known and each.unique().numel() > _FLAGS and not (counted(each) or numbered(each)):
            found.append(each.detach())
    return found


def _is(text: Tensor, asked: Tensor) -> bool:
    """Whether all that is asked for stands in it, each at its place."""
    if text.numel() != asked.numel():
        return False
    scored = asked >= 0
    same = (text.flatten() == asked) & scored
    return bool(scored.any()) and int(same.sum()) >= _ALL * int(scored.sum())


def _begins(text: Tensor, asked: Tensor) -> bool:
    """Whether it may be what a decoder is given before each of these: some of them a place later, time first or second; or a single place."""
    if min(text.shape) < _SHORTEST:
        return True
    if text.numel() != asked.numel():
        return False
    rows = asked.view_as(text)
    later = (text[:, 1:] == rows[:, :-1], rows[:, 1:] >= 0), (text[1:] == rows[:-1], rows[1:] >= 0)
    differs = rows[:, 1:] != rows[:, :-1], rows[1:] != rows[:-1]
    shares = [
        float((same & told & apart).sum()) / max(int((told & apart).sum()), 1)
        for (same, told), apart in zip(later, differs, strict=True)
    ]
    return max(shares) > _BEGUN + _chance(rows)


def _chance(rows: Tensor) -> float:
    """Share of neighbours that are the same by chance: the sum of the squares of the tokens' frequencies."""
    _, counts = rows[rows >= 0].unique(return_counts=True)
    shares = counts / counts.sum()
    return float(shares.square().sum())
