"""Labels that a model is given beside its tokens, where no loss function can be seen: kernels that compute head and loss in one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tb_lossdiag.collect.check_up.loss.ends import end_facts
from tb_lossdiag.collect.check_up.loss.padding import padded
from tb_lossdiag.collect.check_up.loss.questions import question_facts
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import CALL_PADDED, CALL_TARGET_AHEAD, CALL_UNASKED

COLUMN = "labels"
"""What stands for such a loss where a function's name would."""
_IGNORED = -100
_FLAGS = 2
"""Different values of a mask or of segments; tokens have more."""


def label_facts(given: Sequence[Tensor], masks: Sequence[Tensor]) -> Facts:
    """What of labels can be told without their loss; nothing where none of the sequences are the tokens' own labels.

    Who takes labels beside tokens shifts them itself: that is Transformers' convention, and kernels of that kind are made for it.

    Args:
        given: the sequences of whole numbers that the model was given.
        masks: of its arguments those that may be a mask; labels are among them.
    """
    tokens = next((t for t in given if t.unique().numel() > _FLAGS), None)
    beside = (*given, *masks)
    labels = next((t for t in beside if tokens is not None and _labels(t, tokens)), None)
    if tokens is None or labels is None:
        return {}
    rows = labels[:, 1:]
    counted = rows != _IGNORED
    return {
        CALL_TARGET_AHEAD: 1.0,
        CALL_UNASKED: 1 - counted.any(1).float().mean(),
        CALL_PADDED: padded(rows, tokens, counted),
        **end_facts(rows, tokens, counted, masks),
        **question_facts(tokens, counted),
    }


def _labels(sequence: Tensor, tokens: Tensor) -> bool:
    """Whether these are the tokens, but for those that are ignored."""
    if sequence.shape != tokens.shape or sequence.device != tokens.device:
        return False
    if sequence.data_ptr() == tokens.data_ptr():  # the tokens, as the model was given them
        return False
    return bool(((sequence == tokens) | (sequence == _IGNORED)).all())
