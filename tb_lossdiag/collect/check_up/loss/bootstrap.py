"""Whether a call's targets are made by the very parameters that its input is, and carry a gradient back to them."""

from __future__ import annotations

from typing import Any

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.source import operation, past_reshaping
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import CALL_OWN_TARGET, made_for

_PICKED = ("Gather", "Max", "Amax")
"""What takes one of a network's answers."""
_LAYERS = ("Addmm", "Addmv", "Linear")
"""With a bias: a plain product may be a derivative of the network, as in a differential equation."""
_FAR = 200
"""Nodes of a graph that are looked at; the layers of an agent's network are near."""


def bootstrap_facts(call: LossCall) -> Facts:
    """1 where the input is a network's plain answer and the target is given numbers plus a part of the same network's answer, with its gradient.

    Two views that are compared, or both sides of an equation, add nothing that was given; what is detached has no graph.
    """
    target = None if call.target is None else call.target.grad_fn
    if target is None or call.made is None or not made_for(call.name).symmetric:
        return {}
    own = _leads_to(call.made, target) or _leads_to(target, call.made)
    return {CALL_OWN_TARGET: 1.0} if own else {}


def _leads_to(answer: Any, target: Any) -> bool:
    """Whether a network's answer is compared with given numbers plus a multiple of what its own parameters make."""
    made = past_reshaping(target)
    if not _is_answer(answer) or made is None or operation(made) != "Add":
        return False
    operands = [operand for operand, _ in made.next_functions]
    later = [operand for operand in operands if operand is not None]
    discounted = len(operands) > len(later) == 1 and operation(later[0]) == "Mul"
    return discounted and bool(_parameters(later[0]) & _parameters(answer))


def _is_answer(node: Any) -> bool:
    """Whether a layer made it, or it was picked of what a layer made."""
    made = past_reshaping(node)
    while made is not None and operation(made) in _PICKED:
        made = past_reshaping(next((n for n, _ in made.next_functions if n is not None), None))
    return made is not None and operation(made) in _LAYERS


def _parameters(node: Any) -> set[int]:
    """Ids of the leaves that a graph leads to."""
    front, seen, found = [node], {node}, set()
    while front and len(seen) < _FAR:
        for operand, _ in front.pop().next_functions:
            if operand is None or operand in seen:
                continue
            seen.add(operand)
            if operation(operand) == "AccumulateGrad":
                found.add(id(operand.variable))
            else:
                front.append(operand)
    return found
