"""A loss call of which all facts have been taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.call_site import script_line
from tb_lossdiag.collect.check_up.loss.alignment import alignment_facts
from tb_lossdiag.collect.check_up.loss.arrivals import Sight
from tb_lossdiag.collect.check_up.loss.bootstrap import bootstrap_facts
from tb_lossdiag.collect.check_up.loss.class_facts import Labels
from tb_lossdiag.collect.check_up.loss.dials import dial_facts
from tb_lossdiag.collect.check_up.loss.dropped import dropped_facts
from tb_lossdiag.collect.check_up.loss.facts import loss_facts
from tb_lossdiag.collect.check_up.loss.frames import frame_facts
from tb_lossdiag.collect.check_up.loss.laid import laid_facts
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.pairing import pairing_facts
from tb_lossdiag.collect.check_up.loss.same_scores import Question, question
from tb_lossdiag.collect.check_up.loss.scaled_together import scaled_together
from tb_lossdiag.collect.check_up.loss.told import told_facts
from tb_lossdiag.collect.check_up.model.inputs import Dial
from tb_lossdiag.collect.check_up.source import node_id, source
from tb_lossdiag.collect.check_up.values import Facts

BY_HAND = ("", 0)
"""Where a call of `record_loss_inputs` is."""


@dataclass(frozen=True)
class MeasuredCall:
    """A loss call's facts.

    Attributes:
        name: the function's name.
        facts: by quantity.
        labels: frequencies of classes, for a class loss.
        made_by: the operation that made its input.
        node: sequence number of the graph node of its value; None without one.
        site: file and line of the call.
        sight: what tells it from other calls of that line.
        line: of the script, "train.py:12"; "" if there is none.
        question: what was asked of class scores, for a loss of classes.
    """

    name: str
    facts: Facts
    labels: Labels | None = None
    made_by: str = ""
    node: int | None = None
    site: tuple[str, int] = BY_HAND
    sight: Sight | None = None
    line: str = ""
    question: Question | None = None


def measured(
    call: LossCall,
    sight: Sight | None = None,
    given: Sequence[Tensor] = (),
    values: Sequence[Tensor] = (),
    masks: Sequence[Tensor] = (),
    dials: Sequence[Dial] = (),
    read: Sequence[Tensor] = (),
) -> MeasuredCall:
    """Take all facts of a call whose model was given these sequences, measured values, masks and numbers of samples, and looked up `read` of them."""
    facts, labels = loss_facts(call)
    facts = {**facts, **alignment_facts(call, given, masks, read)}
    facts |= {**frame_facts(call), **told_facts(call, values), **bootstrap_facts(call)}
    facts |= {**scaled_together(call, values), **laid_facts(call, values)}
    facts |= {**pairing_facts(call), **dropped_facts(call), **dial_facts(call, dials)}
    site = BY_HAND if sight is None else sight.site
    made_by, line = source(call.made)[1], script_line()
    asked = question(call)
    return MeasuredCall(call.name, facts, labels, made_by, call.node, site, sight, line, asked)


def record_loss_inputs(
    input: Tensor,  # noqa: A002  (torch's own name for it)
    target: Tensor | None,
    value: Tensor | None = None,
    kind: str = "custom",
) -> MeasuredCall:
    """The facts of a custom loss.

    Args:
        input: what was predicted, as the loss was given it.
        target: what it is compared with.
        value: the loss.
        kind: the function of `torch.nn.functional` that it is like, such as "mse_loss"; "custom" for none.
    """
    with torch.no_grad():
        node = None if value is None else node_id(value)
        given = LossCall(kind, input, target, value, made=input.grad_fn, node=node)
        return measured(given)
