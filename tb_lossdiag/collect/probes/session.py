"""The passes of one check-up's probes: each on a new copy, drawing the same random numbers as the one before."""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import Tensor, nn

from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.probes.meetings import Meetings
from tb_lossdiag.collect.probes.passes import answer
from tb_lossdiag.collect.probes.survey import Survey


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
        self.act: Callable[[Tensor], Tensor] = _cloned
        self.forwards = 0
        self.seconds = 0.0

    @property
    def draws(self) -> bool:
        """Whether the model has generators of its own: each copy draws the same from them."""
        return self._found.draws

    def lengths(self) -> set[int]:
        """All lengths that tensors of the model have along any axis."""
        return {length for tensor in self._found.tensors.values() for length in tensor.shape}

    def plain(
        self, act: Callable[[Tensor], Tensor] | None = None, size: int = 0, dim: int = 0
    ) -> tuple[list[Tensor], Meetings]:
        """The answer to the training's own arguments, or to a part of them; where nothing is said, that of the first who asked.

        Raises:
            Raised: the copy raised.
        """
        if act is not None or self._first is None:
            self.act = act or _cloned
            self._first = self.ask(self.act, size, dim)
        return self._first

    def ask(
        self, act: Callable[[Tensor], Tensor], size: int = 0, dim: int = 0, *, anew: bool = False
    ) -> tuple[list[Tensor], Meetings]:
        """The answer to other arguments.

        Args:
            act: what is done to each tensor among them.
            size: number of samples, to see where they meet; 0 not to look.
            dim: where they lie.
            anew: draw other random numbers than before.

        Raises:
            Raised: the copy raised.
        """
        began = time.perf_counter()
        meetings = Meetings(size, dim)
        if not anew:
            self._surroundings()
            self._generators()
        self.forwards += 1
        try:
            return answer(self._root, self._found, self.given.mapped(act), meetings), meetings
        finally:
            self.seconds += time.perf_counter() - began


def _cloned(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()
