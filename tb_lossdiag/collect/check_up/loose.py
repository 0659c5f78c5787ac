"""Tensors that ask for gradients and get them, and belong to no module and no optimizer: nobody trains what was made to be learned."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tb_lossdiag.collect.check_up.loss.arrivals import compiled
from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.source import operation
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts, part
from tb_lossdiag.collect.state.alive import alive
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.quantities import LOOSE

_NODES = 20_000
"""Nodes of one step's graphs that are walked over."""
_NEAR = 64
"""Nodes before an argument of a module: data are scaled and put together before the model is given them."""
_LOOKS = 3
"""Check-ups in which they are looked for: what is in the graph of each step is in the first ones'."""
_MOST = 16
_SAMPLED = 1024
_COEFFICIENTS = 16
"""Numbers of a tensor that is no `nn.Parameter`: a coefficient or a few. Larger ones may be data that somebody has asked gradients of."""


@dataclass(frozen=True)
class _Found:
    """One of them.

    Attributes:
        tensor: itself.
        before: some of its elements when it was first seen.
    """

    tensor: weakref.ref[Tensor]
    before: Tensor

    def untrained(self) -> bool:
        """It has a gradient and is what it was."""
        tensor = self.tensor()
        if tensor is None or tensor.grad is None:
            return False
        return torch.equal(part(tensor, _SAMPLED), self.before)


class Loose:
    """Finds them in the graphs that are backpropagated through in the first check-ups, and looks in all later ones whether anybody changes them.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._found: dict[int, _Found] = {}
        self._given: set[int] = set()
        self._theirs: dict[int, weakref.ref[Tensor]] = {}
        self._looks = self._left = 0

    def begin(self) -> None:
        """A check-up begins."""
        self._looks += 1
        self._left = _NODES if self._looks <= _LOOKS else 0
        self._given.clear()

    def called(self, args: object) -> None:
        """A module is called with these arguments: what they are made of is asked for, not learned."""
        if self._left:
            tensors = [t for t in tensors_in(args) if t.requires_grad]
            self._given.update(id(t) for t in tensors)
            self._given.update(id(t) for t in _leaves([t.grad_fn for t in tensors], _NEAR))

    def backward(self, roots: Iterable[Tensor]) -> None:
        """A backward pass begins."""
        if not self._left or compiled():
            return
        ours = {id(t) for t in (*parameters_in(self._subject.root()), *self._subject.held())}
        known = ours | self._given | self._found.keys()
        leaves = _leaves([root.grad_fn for root in roots], self._left)
        some = {id(t): t for t in leaves if id(t) not in known and not self._is_theirs(t)}
        loose = {key: t for key, t in some.items() if _is_to_be_learned(t)}
        if loose:
            self._sort(loose)

    def _is_theirs(self, tensor: Tensor) -> bool:
        """Whether another's: found once, for a look at all objects takes long."""
        known = self._theirs.get(id(tensor))
        return known is not None and known() is tensor

    def _sort(self, loose: dict[int, Tensor]) -> None:
        """Keep apart what others hold and what nobody does."""
        taken = _taken()
        self._theirs |= {key: weakref.ref(loose[key]) for key in loose.keys() & taken}
        for key in list(loose.keys() - taken)[: _MOST - len(self._found)]:
            tensor = loose[key]
            self._found[key] = _Found(weakref.ref(tensor), part(tensor, _SAMPLED).clone())

    def facts(self) -> Facts:
        """How many nobody has changed, asked before the step; nothing where there never were any."""
        return {LOOSE: float(len(self._untrained()))} if self._found else {}

    def words(self) -> dict[str, str]:
        """Their shapes."""
        shapes = dict.fromkeys(str(list(found.before.shape)) for found in self._untrained())
        return {"loose": ", ".join(shapes)} if shapes else {}

    def _untrained(self) -> list[_Found]:
        return [found for found in self._found.values() if found.untrained()]


def _is_to_be_learned(tensor: Tensor) -> bool:
    """An `nn.Parameter`, or a few numbers that are not the 0 which a sum begins with."""
    if isinstance(tensor, nn.Parameter):
        return True
    return tensor.numel() <= _COEFFICIENTS and bool((tensor.detach() != 0).any())


def _taken() -> set[int]:
    """Tensors that a module or an optimizer holds, whoever calls it; a look at all objects, where there is somebody to look for."""
    return {id(tensor) for found in alive((nn.Module, Optimizer)) for tensor in _held(found)}


def _held(found: object) -> Iterator[Tensor]:
    if isinstance(found, nn.Module):
        yield from (t for t in found.__dict__.get("_parameters", {}).values() if t is not None)
        yield from (t for t in found.__dict__.get("_buffers", {}).values() if t is not None)
    elif isinstance(found, Optimizer):
        for group in found.__dict__.get("param_groups", ()):
            yield from group["params"]


def _leaves(front: list[Any], most: int) -> list[Tensor]:
    """Tensors at the ends of a graph, of which so many nodes are looked at."""
    found: list[Tensor] = []
    seen: set[Any] = set()
    waiting = [node for node in front if node is not None]
    while waiting and len(seen) < most:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if operation(node) == "AccumulateGrad":
            found.append(node.variable)
        else:
            waiting.extend(other for other, _ in node.next_functions if other is not None)
    return found
