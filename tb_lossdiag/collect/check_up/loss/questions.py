"""Whether sequences are questions with answers, all of one form, and how much of what is scored stands in the questions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.padding import ending
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import CALL_QUESTION

_FEWEST, _MOST = 4, 8
"""Sequences that must have the form in common, and that are looked at."""
_PLACES = 1024
_SHORTEST, _LONGEST = 3, 32
"""Tokens of what all have in common: a template says more than one token of its own."""
_FACTOR = np.int64(1_000_003)

_Tokens = npt.NDArray[np.int64]


def question_facts(tokens: Tensor, counted: Tensor) -> Facts:
    """Share of the targets that count which stand before the answer; nothing where sequences have no form in common.

    The form: a begin that is the same in all, then what differs, then words that are the same in all, then what differs again.

    Args:
        tokens: whole[N, T]: what a model was given that is asked for the next token.
        counted: bool[N, T] or bool[N, T - 1]: targets that count.
    """
    if len(tokens) < _FEWEST:
        return {}
    some, asked = tokens[:_MOST, :_PLACES], counted[:_MOST, :_PLACES].cpu().numpy()
    words = np.where(ending(some).cpu().numpy(), -1, some.cpu().numpy()).astype(np.int64)
    begin = _begin(words)
    answers = _answers(words, begin) if begin >= _SHORTEST else None
    if answers is None or not asked.any():
        return {}
    before = np.arange(1, asked.shape[1] + 1) < answers[:, None]
    return {CALL_QUESTION: float((asked & before).sum() / asked.sum())}


def _begin(words: _Tokens) -> int:
    """How many tokens are the same in all, from the first on."""
    same = ((words == words[0]) & (words >= 0)).all(0)
    return int(np.argmin(same)) if not same.all() else 0


def _answers(words: _Tokens, begin: int) -> _Tokens | None:
    """Where each answer begins: after the longest row of words that stands in all, behind what differs; None without one."""
    least, most, found = _SHORTEST, _LONGEST, None
    while least <= most:
        length = (least + most) // 2
        places = _shared(words, begin + 1, length)
        if places is None:
            most = length - 1
        else:
            least, found = length + 1, places + length
    if found is None:
        return None
    ends = (words >= 0).sum(1)
    return found if (ends > found).mean() > 1 / 2 else None


def _shared(words: _Tokens, begin: int, length: int) -> _Tokens | None:
    """The first place in each sequence of a row of so many words that all have; None without one."""
    if words.shape[1] - begin < length:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(words[:, begin:], length, axis=1)
    keys = np.zeros(windows.shape[:2], np.int64)
    with np.errstate(over="ignore"):
        for place in range(length):
            keys = keys * _FACTOR + windows[:, :, place]
    keys = np.where((windows >= 0).all(2), keys, -1)
    common = set(keys[0].tolist()) - {-1}
    for row in keys[1:]:
        common &= set(row.tolist())
    if not common:
        return None
    first = next(key for key in keys[0].tolist() if key in common)
    places: _Tokens = begin + (keys == first).argmax(1)
    return places
