"""Recognises gradients that have not changed."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from torch import Tensor

_MARKED = 8
"""Gradients remembered of a set: enough to recognise it, few enough to cost nothing."""
T = TypeVar("T")
_Seen = dict[int, tuple[Any, int]]
_version: Callable[[Tensor], int] = operator.attrgetter("_version")


class GradientVersions:
    """Some gradients as they were at a moment.

    `zero_grad()` drops a gradient or writes it, and `backward()` then makes a new one or writes it again, so a gradient
    that is the same object at the same version is the one seen before. Keeps neither parameters nor gradients alive.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        """Remember these parameters' gradients as they are now."""
        self._later: tuple[Sequence[int], list[Any], list[int]] | None = None
        self._known: _Seen = {
            id(parameter): (weakref.ref(grad), grad._version)  # noqa: SLF001
            for parameter in parameters
            if (grad := parameter.grad) is not None
        }

    @classmethod
    def of(cls, ids: Sequence[int], gradients: Sequence[Tensor]) -> GradientVersions:
        """The same of some of the parameters with these ids, whose gradients are at hand. What is seldom asked of it is put together then."""
        made = cls(())
        if len(ids) > _MARKED:
            ids, gradients = representatives(ids), representatives(gradients)
        made._later = ids, list(map(weakref.ref, gradients)), list(map(_version, gradients))
        return made

    @property
    def _seen(self) -> _Seen:
        if self._later is not None:
            ids, refs, versions = self._later
            self._known = dict(zip(ids, zip(refs, versions, strict=True), strict=True))
            self._later = None
        return self._known

    def __len__(self) -> int:
        """Number of gradients remembered."""
        return len(self._seen)

    def knows(self, parameters: Iterable[Tensor]) -> bool:
        """Whether one of these parameters was remembered with a gradient."""
        return any(id(parameter) in self._seen for parameter in parameters)

    def unchanged(self, parameters: Iterable[Tensor]) -> bool:
        """Whether a remembered one of these parameters still has the same gradient, and none has another."""
        known = False
        for parameter in parameters:
            if id(parameter) in self._seen:
                if not self._same(parameter):
                    return False
                known = True
        return known

    def renewed(self, parameter: Tensor) -> bool:
        """Whether this one was remembered, and has another gradient now."""
        return (
            id(parameter) in self._seen and parameter.grad is not None and not self._same(parameter)
        )

    def outdated(self, parameters: Iterable[Tensor]) -> bool:
        """Whether one of these parameters has another gradient than it had, or only such that were not remembered have one."""
        known = strange = False
        for parameter in parameters:
            if (grad := parameter.grad) is None:
                continue
            seen = self._seen.get(id(parameter))
            if seen is None:
                strange = True
            elif seen[0]() is not grad or seen[1] != grad._version:  # noqa: SLF001
                return True
            else:
                known = True
        return strange and not known

    def _same(self, parameter: Tensor) -> bool:
        grad, version = self._seen[id(parameter)]
        now = parameter.grad
        return now is not None and now is grad() and now._version == version  # noqa: SLF001


class EndVersions(GradientVersions):
    """The same for the steps of one training that are alike: of the gradients remembered the first and the last stand for all.

    Looking at two costs a fifth of looking at eight, and gradients that come and go together differ together.

    Args:
        parameters: in their order, all of which have a gradient after each of those steps.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__(())
        self._ids = frozenset(map(id, parameters))
        self._first, self._last = weakref.ref(parameters[0]), weakref.ref(parameters[-1])
        self._ends: tuple[Any, int, Any, int] = (lambda: None, -1, lambda: None, -1)

    def __len__(self) -> int:
        """Number of gradients remembered."""
        return len(self._ids)

    def take(self) -> bool:
        """Remember the gradients as they are now; False if there is none any more."""
        first, last = self._first(), self._last()
        if first is None or last is None:
            return False
        begin, end = first.grad, last.grad
        if begin is None or end is None:
            return False
        self._ends = weakref.ref(begin), begin._version, weakref.ref(end), end._version  # noqa: SLF001
        return True

    def knows(self, parameters: Iterable[Tensor]) -> bool:
        """Whether one of these parameters was remembered with a gradient."""
        return any(id(parameter) in self._ids for parameter in parameters)

    def unchanged(self, parameters: Iterable[Tensor]) -> bool:
        """Whether one of these parameters was remembered, and both gradients are the same still."""
        if self.fresh():
            return False
        return self.knows(parameters) and self._same_ends() == [True, True]

    def renewed(self, parameter: Tensor) -> bool:
        """Whether this one was remembered, and one of the two is another gradient now; the first one tells, nearly always."""
        if id(parameter) not in self._ids:
            return False
        first, ends = self._first(), self._ends
        begin = None if first is None else first.grad
        if begin is not None and (begin is not ends[0]() or begin._version != ends[1]):  # noqa: SLF001
            return True
        return False in self._same_ends()

    def fresh(self) -> bool:
        """Whether the first is another gradient now than it was, for certain: `renewed` in fewer calls."""
        first = self._first()
        if first is None or (begin := first.grad) is None:
            return False
        ends = self._ends
        return begin is not ends[0]() or begin._version != ends[1]  # noqa: SLF001

    def outdated(self, parameters: Iterable[Tensor]) -> bool:
        """Whether one of the two is another gradient than it was, or is gone and one of these parameters has one all the same."""
        same = self._same_ends()
        gone = same == [None, None]
        return False in same or (gone and any(p.grad is not None for p in parameters))

    def _same_ends(self) -> list[bool | None]:
        """Whether each of the two is the same gradient as it was; None if there is none."""
        first, last = self._first(), self._last()
        begin = None if first is None else first.grad
        end = None if last is None else last.grad
        seen, version, seen_last, version_last = self._ends
        return [
            None if begin is None else begin is seen() and begin._version == version,  # noqa: SLF001
            None if end is None else end is seen_last() and end._version == version_last,  # noqa: SLF001
        ]


def representatives(parameters: Sequence[T]) -> list[T]:
    """A few parameters that stand for all of them, from the first to the last."""
    count = len(parameters)
    if count <= _MARKED:
        return list(parameters)
    return [parameters[round(i * (count - 1) / (_MARKED - 1))] for i in range(_MARKED)]
