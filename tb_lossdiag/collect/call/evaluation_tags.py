"""Ordinary scalars that say that a model was evaluated."""

from __future__ import annotations

import re
from functools import lru_cache

_WORDS = re.compile(
    r"(?:^|[^a-z])(?:val|valid|validation|validate|eval|evaluation|test|dev|holdout|held_out)(?:$|[^a-z])"
)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where a word begins in "valLoss"."""
_KEPT = 1024
"""Tags that are remembered; a training has tens."""


@lru_cache(maxsize=_KEPT)
def tells_of_evaluation(tag: str) -> bool:
    """Whether a tag names what comes from data that is held out.

    >>> [tells_of_evaluation(tag) for tag in ("Loss/val", "val_acc", "valLoss", "test accuracy", "eval/loss")]
    [True, True, True, True, True]
    >>> [tells_of_evaluation(tag) for tag in ("Loss/train", "value_loss", "interval", "latest", "invalid")]
    [False, False, False, False, False]
    """
    return bool(_WORDS.search(_HUMP.sub("_", tag).lower()))
