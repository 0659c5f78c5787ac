"""Custom autograd functions: the gradient on both sides of each, and whether parameters are reached by another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction, Function

from tb_lossdiag.collect.check_up.loss.arrivals import compiled
from tb_lossdiag.collect.check_up.source import operation
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts, is_real, to_sample, wide
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.unseen import undispatched
from tb_lossdiag.quantities import (
    CUSTOM_AGREEMENT,
    CUSTOM_BROKEN,
    CUSTOM_NESTED,
    CUSTOM_ONLY,
    CUSTOM_PASSED,
)

_FUNCTIONS = 8
"""Columns; a library may bring many."""
_CALLS = 16
"""Calls that are listened to in one step."""
_NODES = 20_000
"""Nodes of the graphs of one step that are walked over."""


@dataclass
class _Function:
    """What the calls of one function did.

    Attributes:
        passed: float[] each: norm of what was handed on over that of what arrived.
        agreement: float[] each: cosine between both.
        broken: bool[] each: whether what was handed on was not finite.
        leaves: parameters behind it, by id.
        nested: calls on one way, at most.
    """

    passed: list[Tensor] = field(default_factory=list)
    agreement: list[Tensor] = field(default_factory=list)
    broken: list[Tensor] = field(default_factory=list)
    leaves: set[int] = field(default_factory=set)
    nested: int = 0


class Customs:
    """Listens at the nodes of custom functions while backward passes of one step run; nothing stays behind.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._held = frozenset(map(id, subject.held())) if _any() else frozenset()
        self._functions: dict[str, _Function] = {}
        self._otherwise: set[int] = set()
        self._handles: list[Any] = []
        self._left = _NODES
        self._calls = 0

    def backward(self, roots: list[Tensor]) -> None:
        """A backward pass begins."""
        if not self._held or compiled():
            return
        front = [root.grad_fn for root in roots if root.grad_fn is not None]
        self._otherwise |= self._behind(front, ())

    def _behind(self, front: Sequence[Any], way: tuple[str, ...]) -> set[int]:
        """Held parameters behind these nodes that no custom function stands before; those behind one are noted with it."""
        leaves, customs = self._walk(front)
        for node in customs:
            name = _name(node)
            below = self._behind(_next(node), (*way, name))
            function = self._functions.get(name)
            if function is None and len(self._functions) < _FUNCTIONS:
                function = self._functions[name] = _Function()
            if function is not None:
                function.leaves |= below
                function.nested = max(function.nested, way.count(name) + 1)
                self._listen(node, function)
        return leaves

    def _walk(self, front: Sequence[Any]) -> tuple[set[int], list[Any]]:
        """Held parameters, and custom functions, that are reached without going through a custom function."""
        leaves: set[int] = set()
        customs: list[Any] = []
        seen: set[Any] = set()
        waiting = list(front)
        while waiting and self._left:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            self._left -= 1
            if operation(node) == "AccumulateGrad":
                leaves |= {id(node.variable)} & self._held
            elif _theirs(node):
                customs.append(node)
            else:
                waiting.extend(_next(node))
        return leaves, customs

    def _listen(self, node: Any, function: _Function) -> None:
        if self._calls < _CALLS:
            self._calls += 1
            self._handles.append(node.register_hook(_listener(function)))

    def passed(self) -> None:
        """The pass has run."""
        handles, self._handles = self._handles, []
        for handle in handles:
            handle.remove()

    def samples(self, column: Callable[[str], str]) -> list[Measurement]:
        """What is known of each function. `column`: its column's name."""
        known = {column(name): self._facts(each) for name, each in self._functions.items()}
        return [to_sample(known)] if any(known.values()) else []

    def _facts(self, function: _Function) -> Facts:
        if not function.passed:
            return {}
        facts: Facts = {
            CUSTOM_PASSED: torch.stack(function.passed).max(),
            CUSTOM_BROKEN: torch.stack(function.broken).any().float(),
            CUSTOM_NESTED: float(function.nested),
        }
        if function.agreement:
            facts[CUSTOM_AGREEMENT] = torch.stack(function.agreement).mean()
        if function.leaves and self._left:
            facts[CUSTOM_ONLY] = len(function.leaves - self._otherwise) / len(function.leaves)
        return facts


def _any() -> bool:
    """Whether anybody but torch has such a function."""
    return any(not _torchs(kind) for kind in Function.__subclasses__())


def _torchs(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "torch"


def _theirs(node: Any) -> bool:
    return isinstance(node, BackwardCFunction) and not _torchs(type(node)._forward_cls)  # type: ignore[attr-defined]  # noqa: SLF001


def _name(node: Any) -> str:
    kind: type = type(node)._forward_cls  # noqa: SLF001
    return kind.__name__


def _next(node: Any) -> list[Any]:
    return [operand for operand, _ in node.next_functions if operand is not None]


def _listener(
    function: _Function,
) -> Callable[[Sequence[Tensor | None], Sequence[Tensor | None]], None]:
    def listen(handed: Sequence[Tensor | None], arrived: Sequence[Tensor | None]) -> None:
        # Autograd may run it in a thread of its own; whatever happens, the pass goes on.
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad(), undispatched():  # noqa: SLF001
                _note(function, list(_real(handed)), list(_real(arrived)))
        except Exception:  # noqa: BLE001
            return

    return listen


def _real(gradients: Sequence[Tensor | None]) -> Iterator[Tensor]:
    return (wide(each.detach()) for each in gradients if is_real(each))


def _note(function: _Function, handed: list[Tensor], arrived: list[Tensor]) -> None:
    if not arrived:
        return
    before = _norm(arrived)
    after = _norm(handed) if handed else torch.zeros_like(before)
    function.passed.append(after / before)
    function.broken.append(before.isfinite() & ~after.isfinite())
    pair = next(((a, b) for a in arrived for b in handed if a.shape == b.shape), None)
    if pair is not None:
        one, other = pair
        function.agreement.append((one * other).sum() / (one.norm() * other.norm()))


def _norm(tensors: list[Tensor]) -> Tensor:
    device = tensors[0].device
    each = [tensor.norm().to(device, torch.float32) for tensor in tensors]
    total: Tensor = torch.stack(each).norm()
    return total
