"""Whether what counts are places without a target, filled with one number, and what does not count is the text."""

from __future__ import annotations

from torch import Tensor

from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import CALL_FILLED

_FEWEST = 16
"""Targets that do not count and are the text's."""
_ALL = 0.99


def filled_facts(rows: Tensor, tokens: Tensor, counted: Tensor) -> Facts:
    """Share of the targets that count which are one number where the text goes on otherwise; nothing unless the others are the text.

    Args:
        rows: whole[N, T] or whole[N, T - 1]: targets.
        tokens: whole[N, T]: what the model was given.
        counted: bool, as the targets: those that count.
    """
    following = tokens[:, 1:]
    rows, counted = (each[:, : following.shape[1]] for each in (rows, counted))
    if not counted.any() or counted.all():
        return {}
    filling = rows[counted][0]
    left = ~counted & (rows != filling)
    if int(left.sum()) < _FEWEST or not bool((rows[counted] == filling).all()):
        return {}
    if float((rows == following)[left].float().mean()) < _ALL:
        return {}
    return {CALL_FILLED: (counted & (following != filling)).sum() / counted.sum()}
