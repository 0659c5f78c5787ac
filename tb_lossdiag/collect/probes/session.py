"""The passes of one check-up's probes: each on a new copy, drawing the same random numbers as the one before."""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.probes.changes import ROUNDING, largest, whole_change
from tb_lossdiag.collect.probes.meetings import Meetings
from tb_lossdiag.collect.probes.passes import answer, trained
from tb_lossdiag.collect.probes.survey import Survey

_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
"""Parameters that take what no other one does."""


class Session:
    """Asks copies of a model.

    Args:
        root: the model.
        found: what it holds.
        given: its arguments in the training's pass.
        restore: put all random number generators back, and what lies around the model.

    Attributes:
        forwards: passes so far.
        act: what is done to the arguments of the pass that all have in common.
        ahead: whether the model is trained on its own input, shifted by one.
        noise: (difference between two answers to the same input, calls of dropout that nobody told the mode), once a pass has told.
        seconds: that the passes took.
    """

    def __init__(
        self,
        root: nn.Module,
        found: Survey,
        given: Arguments,
        restore: tuple[Callable[[], None], Callable[[], None]],
        *,
        ahead: bool = False,
    ) -> None:
        self._root, self._found = root, found
        self.given = given
        self.ahead = ahead
        self._generators, self._surroundings = restore
        self._first: tuple[list[Tensor], Meetings] | None = None
        self.act: Callable[[Tensor], Tensor] = cloned
        self.forwards = 0
        self.noise: tuple[float, int] | None = None
        self.seconds = 0.0

    @property
    def draws(self) -> bool:
        """Whether the model has generators of its own: each copy draws the same from them."""
        return self._found.draws

    @property
    def compared(self) -> bool:
        """Whether the pass that all have in common was taken."""
        return self._first is not None

    def lengths(self) -> set[int]:
        """All lengths that tensors of the model have along any axis."""
        return {length for tensor in self._found.tensors.values() for length in tensor.shape}

    def named(self) -> dict[str, Tensor]:
        """The tensors among the arguments that the model's `forward` itself has a name for."""
        try:
            signature = inspect.signature(self._root.forward)
            bound = signature.bind(*self.given.args, **self.given.kwargs).arguments
        except (TypeError, ValueError):
            return {}
        taken = {name for name, each in signature.parameters.items() if each.kind not in _REST}
        return {n: value for n, value in bound.items() if n in taken and isinstance(value, Tensor)}

    def train(self, act: Callable[[Tensor], Tensor], draw: int) -> list[Tensor]:
        """All that a copy in the modes of the training makes of other arguments: single numbers, and its buffers as they are then, as well.

        Args:
            act: what is done to each tensor among them.
            draw: how many numbers were drawn before; passes with the same number draw alike.

        Raises:
            Raised: the copy raised.
        """
        self._surroundings()
        self._generators()
        for _ in range(draw):
            torch.rand(1)
            random.random()  # noqa: S311  (put back afterwards)
            np.random.random()  # noqa: NPY002
        self.forwards += 1
        return trained(self._root, self._found, self.given.mapped(act), Meetings())

    def plain(
        self, act: Callable[[Tensor], Tensor] | None = None, size: int = 0, dim: int = 0
    ) -> tuple[list[Tensor], Meetings]:
        """The answer to the training's own arguments, or to a part of them; where nothing is said, that of the first who asked.

        Raises:
            Raised: the copy raised.
        """
        if act is not None or self._first is None:
            self.act = act or cloned
            self._first = self.ask(self.act, size, dim)
        return self._first

    def ask(
        self,
        act: Callable[[Tensor], Tensor],
        size: int = 0,
        dim: int = 0,
        *,
        anew: bool = False,
        seen: Meetings | None = None,
    ) -> tuple[list[Tensor], Meetings]:
        """The answer to other arguments.

        Args:
            act: what is done to each tensor among them.
            size: number of samples, to see where they meet; 0 not to look.
            dim: where they lie.
            anew: draw other random numbers than before.
            seen: is told of the pass, instead of what looks where samples meet.

        Raises:
            Raised: the copy raised.
        """
        began = time.perf_counter()
        meetings = Meetings(size, dim) if seen is None else seen
        if not anew:
            self._surroundings()
            self._generators()
        self.forwards += 1
        try:
            return answer(self._root, self._found, self.given.mapped(act), meetings), meetings
        finally:
            self.seconds += time.perf_counter() - began

    def ask_quietly(
        self,
        act: Callable[[Tensor], Tensor],
        size: int = 0,
        dim: int = 0,
        *,
        changed: Callable[[list[Tensor]], float],
    ) -> tuple[list[Tensor], Meetings]:
        """The answer to other arguments, which also tells whether the model answers the same twice.

        Other random numbers are drawn than before: where nothing changes that should not, there is neither a leak nor noise. Only
        where something does, the same numbers are drawn in a further pass, to tell the one from the other.

        Args:
            act: what is done to each tensor among them.
            size: number of samples, to see where they meet; 0 not to look.
            dim: where they lie.
            changed: of an answer, how much has changed that should not.

        Raises:
            Raised: the copy raised.
        """
        after, seen = self.ask(act, size, dim, anew=True)
        difference, calls = changed(after), seen.forgotten
        if difference > ROUNDING:
            noisy = after
            after, seen = self.ask(act, size, dim)
            difference = largest([whole_change(a, b) for a, b in zip(after, noisy, strict=False)])
        self.noise = difference, calls
        return after, seen


def cloned(tensor: Tensor) -> Tensor:
    """The same numbers, which a copy may change."""
    return tensor.detach().clone()
