"""Which watched models each term of a loss reaches, as far as its graph shows."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from tb_lossdiag.collect.check_up.loss.arrivals import compiled
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.quantities import TERM_REACH, pair
from tb_lossdiag.records import Record

_LEAF = "AccumulateGrad"
_NODES = 20_000
"""Nodes of the graphs of one step that are walked over."""
_ROUNDS = 8
"""Times that a graph is walked over; which term reaches whom is settled by how the loop is written."""


class Reach:
    """Walks the graphs of the same terms once with each check-up, the first few times."""

    def __init__(self) -> None:
        """Nothing was walked over yet."""
        self._walked: dict[tuple[str, ...], tuple[int, int]] = {}

    def due(self, terms: Mapping[str, Any], round_: int) -> bool:
        """Whether these terms were not walked over in this check-up, and seldom before; they are then."""
        key = tuple(terms)
        times, newest = self._walked.get(key, (0, 0))
        if newest == round_ or times >= _ROUNDS:
            return False
        self._walked[key] = times + 1, round_
        return True


def reach(terms: Mapping[str, Any], models: Mapping[str, Iterable[Tensor]]) -> Measurement | None:
    """How many parameters of each model each term depends on; None where no term has a graph, or it does not show all.

    Args:
        terms: as given to `add_diagnostics`.
        models: parameters by the name of the watched model.
    """
    graphs = {name: _node(value) for name, value in terms.items()}
    named = {name: node for name, node in graphs.items() if node is not None}
    if not named or compiled():
        return None
    leaves = _leaves(list(named.values()))
    if leaves is None:
        return None
    columns, counts = [], []
    for model, parameters in models.items():
        bits = [leaves.get(id(p), 0) for p in parameters]
        for place, name in enumerate(named):
            columns.append(pair(name, model))
            counts.append(sum(bit >> place & 1 for bit in bits))
    values = np.array(counts, np.float32)
    return Measurement([], lambda _: [Record(TERM_REACH, tuple(columns), values)])


def _node(value: Any) -> Any:
    tensor = value[0] if type(value) is tuple else value
    return tensor.grad_fn if isinstance(tensor, Tensor) else None


def _leaves(roots: Sequence[Any]) -> dict[int, int] | None:
    """Parameters behind the roots: for each, by id, which roots lead to it, as bits. None where the graph is too large, or does not show all."""
    front = _Front(roots)
    for _ in range(_NODES):
        node = front.next()
        if node is None:
            return front.leaves
        if isinstance(node, BackwardCFunction):
            return None  # a checkpoint's, say: its backward pass may reach parameters that no edge leads to
        for other, _ in node.next_functions:
            if other is not None:
                front.found(other, front.bits[node])
    return None


class _Front:
    """Nodes from the newest to the oldest, so that nearly all are handed out once, whatever the number of roots.

    Attributes:
        bits: of each node, which roots lead to it.
        leaves: of each parameter, by id.
    """

    def __init__(self, roots: Sequence[Any]) -> None:
        self.bits: dict[Any, int] = {}
        self.leaves: dict[int, int] = {}
        self._waiting: list[tuple[int, int, Any]] = []
        self._handed: dict[Any, int] = {}
        self._order = itertools.count()
        for place, root in enumerate(roots):
            self.found(root, 1 << place)

    def found(self, node: Any, bits: int) -> None:
        """These roots lead to it."""
        if type(node).__name__ == _LEAF:
            key = id(node.variable)
            self.leaves[key] = self.leaves.get(key, 0) | bits
        elif bits & ~self.bits.get(node, 0):
            self.bits[node] = self.bits.get(node, 0) | bits
            number = -node._sequence_nr()  # noqa: SLF001
            heapq.heappush(self._waiting, (number, next(self._order), node))

    def next(self) -> Any:
        """The newest of which not all is handed out; None at the end."""
        while self._waiting:
            node = heapq.heappop(self._waiting)[2]
            if self._handed.get(node) != self.bits[node]:
                self._handed[node] = self.bits[node]
                return node
        return None
