"""What optimizers hold and how fast they go; and which gradients a step has already used."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.frameworks import hookable
from tb_lossdiag.collect.state.gradient_versions import (
    EndVersions,
    GradientVersions,
    representatives,
)
from tb_lossdiag.collect.state.parameters import Parameters
from tb_lossdiag.collect.state.rates import GroupRates, hyperparameter, rate_records, rates
from tb_lossdiag.collect.state.tracing import Told, untraced_hook
from tb_lossdiag.quantities import (
    FOREIGN_PARAMETERS,
    HELD_PARAMETERS,
    PARAMETER_DECAY,
    PARAMETER_HELD,
    PARAMETER_TRAINABLE,
)
from tb_lossdiag.records import Record


class Watching(Protocol):
    """Is told of an optimizer's steps."""

    def ended(self, optimizer: Any, arguments: Any, named: Any) -> None:
        """It has ended its step; may raise to stop the training."""
        ...


class _Heard:
    """The hook that tells of an optimizer's steps, for as long as that lives, which alone keeps alive who is told.

    Attributes:
        joined: whether a watch is told, which notes the steps.
    """

    def __init__(self, optimizers: Optimizers, optimizer: Any) -> None:
        self._optimizers = weakref.ref(optimizers)
        told = Told(self._ended)
        self._told = weakref.ref(told)
        self.joined = False
        optimizer.register_step_post_hook(untraced_hook(told))

    def join(self, watch: Watching) -> None:
        """Tell this one, with no call between."""
        self._tell(watch.ended, joined=True)

    def leave(self) -> None:
        """Tell the optimizers alone."""
        self._tell(self._ended, joined=False)

    def _tell(self, work: Callable[..., Any], *, joined: bool) -> None:
        if (told := self._told()) is not None:
            told.work, self.joined = work, joined

    def _ended(self, optimizer: Any, _arguments: Any, _named: Any) -> None:
        """It has ended a step that nobody watches."""
        if (all_of_them := self._optimizers()) is not None:
            all_of_them.step_ended(optimizer)


class Optimizers:
    """The optimizers the writer was given, and the gradients their last steps used.

    Args:
        guarded: keeps a failure out of their steps.

    Attributes:
        steps: so many were taken.
        last: which gradients each one's last step used, by its id; a step of another one may have made them anew.
        calm: the same of the only one, while its steps are like those before.
    """

    def __init__(self, guarded: Guard) -> None:
        """Watch none yet."""
        self._guarded = guarded
        self._optimizers: list[tuple[str, weakref.ref[Any]]] = []
        self._used: dict[int, GradientVersions] = {}
        self.last: dict[int, GradientVersions] = {}
        self._heard: dict[int, _Heard] = {}
        self._names = ""
        self.calm: EndVersions | None = None
        self.steps = 0

    def __len__(self) -> int:
        """Number of optimizers watched so far."""
        return len(self._optimizers)

    def watch(self, optimizer: Any, name: str = "") -> None:
        """Note each step of an optimizer from now on; a public hook, which keeps the optimizer picklable."""
        if self.knows(optimizer):
            return
        self.calm = None
        self._optimizers.append((name, weakref.ref(optimizer)))
        self._names = self._alive_names()
        if hookable(optimizer):
            self._heard[id(optimizer)] = _Heard(self, optimizer)

    def join(self, optimizer: Any, watch: Watching) -> bool:
        """Let a watch be told of its steps by the hook that is there: one hook costs less than two. It has to note steps then.

        Returns:
            Whether that can be done; one watch can.
        """
        heard = self._heard.get(id(optimizer))
        if heard is None or heard.joined:
            return False
        heard.join(watch)
        return True

    def leave(self, optimizer: Any) -> None:
        """The watch that joined is told no more."""
        self._heard[id(optimizer)].leave()

    def knows(self, optimizer: Any) -> bool:
        """Whether it is watched."""
        return any(known() is optimizer for _, known in self._optimizers)

    def step_ended(self, optimizer: Any) -> None:
        """It has ended a step that nobody watches."""
        self._guarded.door("optimizer", self.note_step, optimizer)

    def note_calm(self, optimizer: Any, ends: EndVersions) -> None:
        """The same for a step that is like the one before, where two gradients tell."""
        if not ends.take():
            self.note_step(optimizer)
        elif ends is self.calm:
            self.steps += 1
        else:
            self._note_first_calm(optimizer, ends)

    def _note_first_calm(self, optimizer: Any, ends: EndVersions) -> None:
        """From now on these two are looked at, until a step is noted that is not a calm one."""
        if len(self._optimizers) > 1:
            self.note_step(optimizer)
            return
        self.steps += 1
        key = id(optimizer)
        self._used[key] = self.last[key] = self.calm = ends

    def note_step(self, optimizer: Any) -> None:
        """Remember which gradients this step used."""
        self.steps += 1
        self.calm = None
        mark = _mark(optimizer)
        self._used[id(optimizer)] = self.last[id(optimizer)] = mark
        if len(self._optimizers) > 1:
            for other in self.alive():
                if other is not optimizer and id(other) in self.last:
                    self.last[id(other)] = _mark(other)

    def used(self, parameters: Sequence[Tensor]) -> float:
        """1 if a step has used these parameters' present gradients, 0 if not, NaN if no watched optimizer holds them."""
        marks = [mark for mark in self._used.values() if mark.knows(parameters)]
        if not marks:
            return float("nan")
        return float(any(mark.unchanged(parameters) for mark in marks))

    def fresh(self, optimizer: Any) -> bool:
        """Whether gradients have come since the last step of any, as far as can be seen; True before its first one.

        A generator's backward pass leaves gradients in the critic too, which the critic's next step doesn't use.
        """
        mark = self.last.get(id(optimizer))
        groups = optimizer.param_groups
        if mark is None or (
            groups and groups[0]["params"] and mark.renewed(groups[0]["params"][0])
        ):
            return True  # the first one tells, nearly always
        some = (representatives(group["params"]) for group in groups)
        return mark.outdated(itertools.chain.from_iterable(some))

    def reuses(self, optimizer: Any) -> bool:
        """Whether it would step with the very gradients that its last step has used."""
        if self.calm is not None and self.calm.fresh():  # the only optimizer's
            return False
        mark = self._used.get(id(optimizer))
        groups = (representatives(group["params"]) for group in optimizer.param_groups)
        return mark is not None and mark.unchanged(itertools.chain.from_iterable(groups))

    def alive(self) -> list[Any]:
        """The optimizers that still exist, in the order they were given."""
        return [found for _, ref in self._optimizers if (found := ref()) is not None]

    def names(self) -> str:
        """Class names, comma-separated; those that there were last, where a function that trained has returned and none is left."""
        return self._alive_names() or self._names

    def _alive_names(self) -> str:
        return ", ".join(dict.fromkeys(type(optimizer).__name__ for optimizer in self.alive()))

    def signature(self) -> tuple[Any, ...]:
        """Changes when a group or a weight decay does."""
        groups = [g for optimizer in self.alive() for g in optimizer.param_groups]
        return tuple((id(g), len(g["params"]), g.get("weight_decay")) for g in groups)

    def held(self, model: Parameters) -> list[Record]:
        """Whether an optimizer holds each parameter (NaN while none is known), with which weight decay; which are trainable."""
        groups = [g for optimizer in self.alive() for g in optimizer.param_groups]
        decay = {id(p): hyperparameter(g.get("weight_decay")) for g in groups for p in g["params"]}
        known = bool(self._optimizers)
        flags = [float(id(p) in decay) if known else np.nan for p in model.tensors]
        decays = [decay.get(id(p), np.nan) for p in model.tensors]
        trainable = [float(p.requires_grad) for p in model.tensors]
        return [
            Record(PARAMETER_HELD, model.names, np.array(flags, np.float32)),
            Record(PARAMETER_DECAY, model.names, np.array(decays, np.float32)),
            Record(PARAMETER_TRAINABLE, model.names, np.array(trainable, np.float32)),
        ]

    def rates(self) -> list[Record]:
        """`RATES` of every parameter group."""
        several = len(self._optimizers) > 1
        found: dict[str, GroupRates] = {}
        for index, (name, ref) in enumerate(self._optimizers):
            if (optimizer := ref()) is not None:
                label = name or (f"optimizer {index}" if several else "")
                found.update(rates(optimizer, label))
        return rate_records(found)


def parameters_of(optimizer: Any) -> list[Any]:
    """What it steps, in the order of its groups."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def foreign(optimizer: Any, model: Parameters, name: str) -> list[Record]:
    """How many tensors an optimizer holds, and how many of them are not this model's."""
    own = {id(p) for p in model.tensors}
    held = [id(p) in own for p in parameters_of(optimizer)]
    counts = {FOREIGN_PARAMETERS: held.count(False), HELD_PARAMETERS: len(held)}
    return [Record(q, (name,), np.array([n], np.float32)) for q, n in counts.items()]


def ends_of(optimizer: Any) -> EndVersions | None:
    """What remembers the gradients of an optimizer's steps that are alike, None while it has none."""
    held = _some_with_gradient(optimizer)
    return EndVersions(held) if held else None


def _mark(optimizer: Any) -> GradientVersions:
    return GradientVersions(_some_with_gradient(optimizer))


def _some_with_gradient(optimizer: Any) -> list[Tensor]:
    """A few of each group that have a gradient."""
    groups = [group["params"] for group in optimizer.param_groups]
    held = [p for group in groups for p in representatives(group) if p.grad is not None]
    return held or _first_with_gradient(groups)


def _first_with_gradient(groups: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    return representatives([p for group in groups for p in group if p.grad is not None])
