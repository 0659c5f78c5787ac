"""Second networks (target, teacher, average, reference): how far each is from the trained network that it is shaped like."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tb_lossdiag.collect.check_up.remembered import Remembered
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.values import Facts, part, to_sample
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.quantities import (
    COPY_BEGAN,
    COPY_DISTANCE,
    COPY_MOVED,
    COPY_WRITTEN,
    ORIGINAL_MOVED,
)

_FEWEST = 4
"""Parameter tensors of a network; single layers of one shape are everywhere."""
_INNER = 64
"""Modules inside of one that is called which are looked at."""
_COPIES = 4
_SAMPLED = 65_536
"""Elements of a network that are compared."""
_Shapes = tuple[type, tuple[torch.Size, ...]]


class Copies:
    """Finds them among the modules that are called in a check-up, and compares them from one check-up to the next.

    Args:
        subject: what is watched.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._first: dict[str, tuple[Tensor, Tensor]] = {}
        self._versions: dict[str, list[tuple[int, int]]] = {}
        self._beginning: list[Tensor] | None = None
        self._remembered = Remembered()
        self.begin()

    def begin(self) -> None:
        """A check-up begins."""
        self._held: frozenset[int] | None = None
        self._trained: dict[_Shapes, list[tuple[str, nn.Module]]] | None = None
        self._seen: set[int] = set()
        self._found: list[tuple[nn.Module, list[tuple[str, nn.Module]]]] = []

    def keep(self) -> None:
        """The first check-up really begins: a copy that is called later may be one of now."""
        if self._beginning is None:
            own = list(parameters_in(self._subject.root()))
            self._beginning = [] if any(map(is_lazy, own)) else [t.clone() for t in _parts(own)]

    def _began(self, copy: nn.Module) -> Facts:
        """How far it is from that beginning; nothing where it is the copy of a part."""
        mine, kept = _parts(list(parameters_in(copy))), self._beginning or []
        if not kept or [t.shape for t in mine] != [t.shape for t in kept]:
            return {}
        home = kept[0].device
        apart = [(a.to(b.device) - b).norm().to(home) for a, b in zip(mine, kept, strict=True)]
        size = [b.norm().to(home) for b in kept]
        return {COPY_BEGAN: torch.stack(apart).norm() / torch.stack(size).norm()}

    def called(self, module: nn.Module) -> None:
        """A module is called, with or without gradients."""
        if id(module) in self._seen or len(self._found) >= _COPIES:
            return
        self._seen.add(id(module))
        if self._holds(module):
            # What is frozen inside of it will be called by itself.
            self._seen |= {id(inner) for inner in module.modules() if self._holds(inner)}
            return
        for inner in itertools.islice(module.modules(), _INNER):
            if (originals := self._originals(inner)) is not None:
                self._seen |= set(map(id, module.modules()))
                self._found.append((inner, originals))
                return

    def _holds(self, module: nn.Module) -> bool:
        """Whether the optimizer holds any of its parameters."""
        if self._held is None:
            self._held = frozenset(map(id, self._subject.held()))
        return any(id(p) in self._held for p in parameters_in(module))

    def _originals(self, module: nn.Module) -> list[tuple[str, nn.Module]] | None:
        """The trained modules that it is shaped like, if it is none of them."""
        own = list(parameters_in(module))
        if len(own) < _FEWEST or any(map(is_lazy, own)) or self._holds(module):
            return None
        return self._by_shape().get(_shapes(module))

    def _by_shape(self) -> dict[_Shapes, list[tuple[str, nn.Module]]]:
        if self._trained is None:
            self._trained = {}
            for name, module in self._subject.root().named_modules():
                if self._is_trained(module):
                    self._trained.setdefault(_shapes(module), []).append((name, module))
        return self._trained

    def _is_trained(self, module: nn.Module) -> bool:
        own, held = list(parameters_in(module)), self._held or frozenset()
        return len(own) >= _FEWEST and all(
            p.requires_grad and id(p) in held and not is_lazy(p) for p in own
        )

    def samples(self) -> list[Measurement]:
        """What is known of each, before the step."""
        columns: dict[str, Facts] = {}
        for copy, originals in self._found:
            mine = _some(copy)
            name, original = _nearest(mine, originals)
            column = next(self._free(name, columns))
            columns[column] = self._facts(column, mine, original) | self._began(copy)
            columns[column] |= self._written(column, copy)
            columns[column] |= self._remembered.facts(column, copy, dict(originals)[name])
        return [to_sample(columns)] if columns else []

    def _free(self, name: str, taken: dict[str, Facts]) -> Iterator[str]:
        column = self._subject.column(name) if name else self._subject.name
        names = itertools.chain([column], (f"{column} {n}".strip() for n in itertools.count(2)))
        return (name for name in names if name not in taken)

    def _facts(self, column: str, copy: Tensor, original: Tensor) -> Facts:
        first = self._first.get(column)
        if first is None or first[0].shape != copy.shape:
            first = self._first[column] = copy, original
        return {
            COPY_DISTANCE: (copy - original).norm() / original.norm(),
            COPY_MOVED: (copy - first[0]).norm() / first[0].norm(),
            ORIGINAL_MOVED: (original - first[1]).norm() / first[1].norm(),
        }

    def _written(self, column: str, copy: nn.Module) -> Facts:
        """How often each of its parameters was written; nothing where it is another one than before."""
        now = _versions(copy)
        first = self._versions.setdefault(column, now)
        if not now or [one for one, _ in now] != [one for one, _ in first]:
            return {}
        least = min(new - old for (_, new), (_, old) in zip(now, first, strict=True))
        return {COPY_WRITTEN: float(least)}


def _nearest(copy: Tensor, originals: list[tuple[str, nn.Module]]) -> tuple[str, Tensor]:
    """The name and some elements of the one that it is most like."""
    some = [(name, _some(module)) for name, module in originals]
    if len(some) == 1:
        return some[0]
    return min(some, key=lambda pair: float((pair[1] - copy).norm()))


def _shapes(module: nn.Module) -> _Shapes:
    return type(module), tuple(p.shape for p in parameters_in(module))


def _versions(module: nn.Module) -> list[tuple[int, int]]:
    """Each parameter's identity, and autograd's count of what was written to it; empty where nothing is counted."""
    own = list(parameters_in(module))
    # What was made in inference mode has no count.
    if any(p.is_inference() for p in own):
        return []
    return [(id(p), p._version) for p in own]  # noqa: SLF001  (the only place that counts writes)


def _some(module: nn.Module) -> Tensor:
    """float[n]: some of its parameters' elements, copied."""
    some = _parts(list(parameters_in(module)))
    return torch.cat([each.to(some[0].device, copy=True) for each in some])


def _parts(parameters: list[nn.Parameter]) -> list[Tensor]:
    """float[n] each: some elements of these parameters."""
    own = [p for p in parameters if p.numel()]
    each = max(_SAMPLED // max(len(own), 1), 1)
    return [part(p, each) for p in own]
