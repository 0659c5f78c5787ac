"""Recognises gradients that have not changed."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence

from torch import Tensor

_MARKED = 8
"""Gradients remembered of a set: enough to recognise it, few enough to cost nothing."""


class GradientVersions:
    """Some gradients as they were at a moment.

    `zero_grad()` drops a gradient or writes it, and `backward()` then makes a new one or writes it again, so a gradient
    that is the same object at the same version is the one seen before. Keeps neither parameters nor gradients alive.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        """Remember these parameters' gradients as they are now."""
        self._seen = {
            id(parameter): (weakref.ref(grad), grad._version)  # noqa: SLF001
            for parameter in parameters
            if (grad := parameter.grad) is not None
        }

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


def representatives(parameters: Sequence[Tensor]) -> list[Tensor]:
    """A few parameters that stand for all of them, from the first to the last."""
    count = len(parameters)
    if count <= _MARKED:
        return list(parameters)
    return [parameters[round(i * (count - 1) / (_MARKED - 1))] for i in range(_MARKED)]
