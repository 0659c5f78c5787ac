"""Logarithms of probabilities that were picked token by token, as policies and preferences are made of, where no loss of classes is seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from tb_lossdiag.collect.check_up.loss.alignment import scored_facts
from tb_lossdiag.collect.check_up.loss.arrivals import Sight
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.measured_call import MeasuredCall
from tb_lossdiag.collect.check_up.loss.pieces import logarithm
from tb_lossdiag.collect.check_up.loss.tape import Operation

PICKED = "log_softmax"
"""What stands for them where a function's name would."""
_MOST = 8
"""Such operations that are compared with the tokens."""
_KINDS = ("log_softmax", "sub")


def picked_tokens(
    operations: Sequence[Operation], given: Sequence[Tensor], masks: Sequence[Tensor]
) -> MeasuredCall | None:
    """The operation of those whose picks are the most alike to the tokens; which of them count is told when a gradient arrives there.

    A model may have been asked for several texts, of which `given` is the newest.

    Args:
        operations: that led to what is backpropagated.
        given: the sequences of whole numbers that the model was given.
        masks: of its arguments those that may be a mask.
    """
    calls = [_call(step) for step in operations if step.name == "gather"]
    alike = [(_likeness(call, given), call) for call in calls if call is not None][:_MOST]
    likeness, call = max(alike, key=lambda each: each[0], default=(0.0, None))
    if call is None or call.node is None or call.value is None or not likeness:
        return None
    site, scoring = (PICKED, call.node), partial(scored_facts, call, given, masks)
    sight = Sight(site, 0, call.node, call.value, None, 0, (), scoring=scoring)
    return MeasuredCall(PICKED, {}, node=call.node, site=site, sight=sight)


def _likeness(call: LossCall, given: Sequence[Tensor]) -> float:
    """Share of the picks that are the next token of a sequence; 0 where they do not stand beside one."""
    shares = [0.0]
    for tokens in given:
        count, length = tokens.shape
        if call.target is not None and call.target.numel() in (
            count * length,
            count * (length - 1),
        ):
            rows = call.target.reshape(count, -1)[:, : length - 1]
            shares.append(float((rows == tokens[:, 1:]).float().mean()))
    return max(shares)


def _call(step: Operation) -> LossCall | None:
    """Its picks as targets of a class loss; None where something else was picked, or another dimension than the last."""
    if len(step.operands) != 2:  # noqa: PLR2004
        return None
    log, index = logarithm(step.operands[0]), step.operands[1].tensor
    scores = step.operands[0].tensor
    last = not step.numbers or int(step.numbers[0]) % scores.dim() == scores.dim() - 1
    if log is None or log.made not in _KINDS or not last or index.is_floating_point():
        return None
    target = index.reshape(*index.shape[:-1]) if index.shape[-1] == 1 else None
    if target is None or target.shape != scores.shape[:-1]:
        return None
    options = {"reduction": "none"}
    return LossCall("nll_loss", scores, target, step.result.tensor, options, node=step.result.node)
