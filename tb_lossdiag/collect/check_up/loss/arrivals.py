"""How often the same line's loss is backpropagated within one step, and how much of it: the gradient that arrives at its value."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.values import Facts, wide
from tb_lossdiag.collect.unseen import undispatched
from tb_lossdiag.quantities import CALL_ARRIVED, CALL_PASSES, CALL_TOKEN_SPREAD

Site = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Sight:
    """A loss call, as far as it must be known to tell whether another is the next micro-batch's.

    Attributes:
        site: file and line of the call.
        path: of all lines that led there, and of the function.
        node: sequence number of the graph node of its value.
        value: what the function returned, without graph.
        target: what it was compared with. It is kept, or its memory might be the next one's.
        version: of the target's memory.
        shape: of one sample of its input.
        scored: float[]: targets that count; None where it is no class loss.
        mean: whether it is their mean.
        scoring: what can be told of the targets, by which of them count; where the call does not say that itself.
    """

    site: Site
    path: int
    node: int
    value: Tensor
    target: Tensor | None
    version: int
    shape: tuple[int, ...]
    scored: Tensor | None = None
    mean: bool = False
    scoring: Callable[[Tensor], Facts] | None = None

    @classmethod
    def of(cls, call: LossCall, site: Site, path: int = 0) -> Sight | None:
        """What is kept of a call; None where nothing could arrive."""
        if call.value is None or call.node is None:
            return None
        value = call.value.detach()
        value = value.clone() if value.numel() == 1 else value
        version = 0 if call.target is None else call.target._version  # noqa: SLF001
        shape, path = tuple(call.input.shape[1:]), hash((call.name, path))
        target = None if call.target is None else call.target.detach()
        mean = call.options.get("reduction") == "mean" and not call.summed and not call.weighted
        return cls(site, path, call.node, value, target, version, shape, _scored(call), mean)

    def like(self, other: Sight) -> bool:
        """Whether it is the same question of other samples: by the same way, of the same shape, with other targets."""
        return (self.path, self.shape) == (other.path, other.shape) and not self._same(other)

    def _same(self, other: Sight) -> bool:
        one, two = self.target, other.target
        if one is None or two is None:
            return False
        here = one.data_ptr() == two.data_ptr() and one.shape == two.shape
        return here and self.version == other.version


@dataclass
class _Line:
    """The calls of one line.

    Attributes:
        first: the first one.
        passes: the backward passes that one like it took part in.
        arrived: float[] each.
        counted: float[] each: what one of its targets counts.
        claimed: whether another optimizer has made a step since the newest pass.
        shared: whether one did so between two passes: what they add up to was chosen for no single step.
        scored: what is known of the targets that count in the first pass, where that shows in it only.
    """

    first: Sight
    passes: set[int] = field(default_factory=set)
    arrived: list[Tensor] = field(default_factory=list)
    counted: list[Tensor] = field(default_factory=list)
    claimed: bool = False
    shared: bool = False
    scored: Facts = field(default_factory=dict)

    def facts(self) -> Facts:
        """How many passes, and the least that arrived in one; nothing of those that belong to several steps of another optimizer."""
        if self.shared:
            return {}
        facts: Facts = {CALL_PASSES: float(len(self.passes))}
        if self.arrived:
            facts[CALL_ARRIVED] = torch.stack(self.arrived).min()
        # Several calls of one pass are parts of one question, such as both classes of a mixture.
        if len(self.counted) == len(self.passes) > 1:
            counted = torch.stack(self.counted).abs()
            facts[CALL_TOKEN_SPREAD] = counted.max() / counted.min()
        return facts


class Arrivals:
    """Listens at the nodes of loss calls while a backward pass runs; nothing stays behind."""

    def __init__(self) -> None:
        self._lines: dict[Site, _Line] = {}
        self._handles: list[Any] = []
        self._pass = 0

    def expect(self, sight: Sight, node: Any) -> None:
        """A backward pass is about to run over this call's node."""
        line = self._lines.setdefault(sight.site, _Line(sight))
        if sight is not line.first and not sight.like(line.first):
            return
        line.passes.add(self._pass)
        line.shared |= line.claimed
        if not compiled():
            self._handles.append(node.register_prehook(_listener(line, sight)))

    def claimed(self) -> None:
        """Another optimizer makes its step."""
        for line in self._lines.values():
            line.claimed = True

    def ended(self) -> None:
        """The pass has run."""
        self._pass += 1
        handles, self._handles = self._handles, []
        for handle in handles:
            handle.remove()

    def facts(self, site: Site) -> Facts:
        """What is known of a line."""
        return self._lines[site].facts() if site in self._lines else {}

    def scored(self, site: Site) -> Facts:
        """What is known of the targets that count, where only the pass showed which do."""
        return self._lines[site].scored if site in self._lines else {}


def _listener(line: _Line, sight: Sight) -> Callable[[Sequence[Tensor | None]], None]:
    def listen(gradients: Sequence[Tensor | None]) -> None:
        # Autograd may run it in a thread of its own; whatever happens, the pass goes on.
        try:
            with torch._C.DisableTorchFunction(), torch.no_grad(), undispatched():  # noqa: SLF001
                arrived = _share(gradients[0], sight.value)
                counted = None if arrived is None else _each(arrived, sight)
                line.scored = line.scored or _of_scored(gradients[0], sight)
        except Exception:  # noqa: BLE001
            return
        if arrived is not None:
            line.arrived.append(arrived)
        if counted is not None:
            line.counted.append(counted)

    return listen


def _scored(call: LossCall) -> Tensor | None:
    """float[]: targets of a class loss that count."""
    if not call.indexed or call.target is None:
        return None
    counts: Tensor = call.target.detach() != call.options.get("ignore_index", -100)
    return counts.sum().float()


def _each(arrived: Tensor, sight: Sight) -> Tensor | None:
    """float[]: what one scored target counts; None where it can't be told."""
    if sight.scored is None or sight.value.numel() != 1 or not sight.mean:
        return None
    return arrived / sight.scored.to(arrived.device)


def _of_scored(gradient: Tensor | None, sight: Sight) -> Facts:
    """What is known of the targets whose loss has a gradient."""
    if sight.scoring is None or gradient is None or gradient.numel() != sight.value.numel():
        return {}
    return sight.scoring(gradient.detach() != 0)


def _share(gradient: Tensor | None, value: Tensor) -> Tensor | None:
    """float[]: what the mean of a call's value counts for; for one number the gradient itself."""
    if gradient is None or gradient.shape != value.shape:
        return None
    gradient = wide(gradient.detach())
    if gradient.numel() == 1:
        return gradient.reshape(()).clone()
    return (gradient * wide(value)).sum() / wide(value).mean()


def compiled() -> bool:
    """Whether the pass will be compiled: a hook would become part of what is compiled."""
    module = sys.modules.get("torch._dynamo.compiled_autograd")
    return bool(getattr(module, "compiled_autograd_enabled", False))
