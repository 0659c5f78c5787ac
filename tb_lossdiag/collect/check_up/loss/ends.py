"""Whether the end of a text is taken for padding: the same token is both, and no loss asks for either."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import CALL_END_IGNORED


def end_facts(rows: Tensor, tokens: Tensor, counted: Tensor, masks: Sequence[Tensor]) -> Facts:
    """Share of the ends that no target asks for; nothing where no mask tells an end from what fills up after it.

    Args:
        rows: whole[N, T] or whole[N, T - 1]: targets, each the next token.
        tokens: whole[N, T]: what the model was given.
        counted: bool, as the targets: those that count.
        masks: of the model's arguments those that may be one.
    """
    width = min(rows.shape[1], tokens.shape[1] - 1)
    for mask in masks:
        if mask.shape != tokens.shape or not bool(((mask == 0) | (mask == 1)).all()):
            continue
        for real in (mask == 1, mask == 0):
            if (ends := _ends(tokens, real)) is not None:
                asked = counted[:, :width][ends[:, 1 : width + 1]]
                return {CALL_END_IGNORED: 1 - asked.float().mean()} if len(asked) else {}
    return {}


def _ends(tokens: Tensor, real: Tensor) -> Tensor | None:
    """bool[N, T]: the last real token of each sequence, where it is what fills up the others; None where no one token does."""
    filling = tokens[~real]
    if not filling.numel() or not bool((filling == filling[0]).all()):
        return None
    more = torch.cat([real[:, 1:], torch.zeros_like(real[:, :1])], 1)
    return real & ~more & (tokens == filling[0])
