"""Recognises gradients again: have they changed since, or been replaced?"""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from torch import Tensor


class Mark:
    """Remembers which gradient tensors parameters had, and how often each had been written in place.

    `zero_grad()` either drops the tensor or writes it, and `backward()` then makes a new one or writes it again, so a gradient
    that is the same object at the same version is the one seen before. Keeps neither parameters nor gradients alive.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        """Remember these parameters' gradients as they are now."""
        self._seen = {
            id(parameter): (weakref.ref(parameter.grad), parameter.grad._version)  # noqa: SLF001
            for parameter in parameters
            if parameter.grad is not None
        }

    def knows(self, parameters: Iterable[Tensor]) -> bool:
        """Whether one of these parameters was remembered with a gradient."""
        return any(id(parameter) in self._seen for parameter in parameters)

    def unchanged(self, parameters: Iterable[Tensor]) -> bool:
        """Whether a remembered one of these parameters still has the same gradient, and none has another."""
        known = [parameter for parameter in parameters if id(parameter) in self._seen]
        return bool(known) and all(self._same(parameter) for parameter in known)

    def _same(self, parameter: Tensor) -> bool:
        grad, version = self._seen[id(parameter)]
        now = parameter.grad
        return now is not None and now is grad() and now._version == version  # noqa: SLF001
