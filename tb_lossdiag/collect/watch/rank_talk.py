"""What a rank tells the others beside its norms: it listens to a few steps before they are compared, and to every loss."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from tb_lossdiag.collect.check_up import Subject
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.ranks.divergence import RankDivergence
from tb_lossdiag.collect.ranks.share import Losses, Share
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.device_clock import marks
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.transfer import Number
from tb_lossdiag.collect.watch.glance import Glance

_SEEN = 8
"""Steps before a comparison that are looked at."""


class RankTalk:
    """This rank's part in comparing one watched model's ranks.

    Args:
        spread: compares them.
        subject: the model.
        guarded: switches failing collectors off.
        say: takes facts in words.
    """

    def __init__(
        self,
        spread: RankDivergence,
        subject: Subject,
        guarded: Guard,
        say: Callable[[dict[str, str]], None],
    ) -> None:
        self._spread, self._guarded = spread, guarded
        self._losses, self._since = Losses(), 0
        device = next(parameters_in(subject.model)).device
        self._glance: Glance | None = None
        if not subject.compiled():
            if (mark := marks(device)) is not None:
                self._glance = Glance(subject.model, mark, self._broke)
            else:
                say({"times of ranks": f"not compared: PyTorch gives no clock of {device.type}"})
        self.normless = spread.normless

    def due(self, taken: int) -> bool:
        """Whether ranks are compared in the step after so many."""
        return self._spread.due(taken)

    def coming(self, taken: int) -> None:
        """A step comes, after so many: look at it if it is one of the last before a comparison."""
        ahead = self._spread.ahead(taken)
        if self._glance is not None and ahead < _SEEN:
            self._glance.begin(whole=not ahead)

    def lost(self, loss: Number) -> None:
        """The training's loss on this rank."""
        self._losses.put(loss)

    def give(self, taken: int, gradient: Tensor, weights: Tensor) -> Measurement:
        """Give norms and whatever else is known; a sample that is ready when all ranks have given theirs."""
        return self._spread.give(taken, gradient, weights, self._share(taken))

    def _share(self, taken: int) -> Share:
        steps, self._since = taken + 1 - self._since, taken + 1
        mean, std, broken = self._losses.take()
        wait = forward = batch = fresh = scored = math.nan
        if (glance := self._glance) is not None:
            glance.end()
            (wait, forward), (batch, fresh, scored) = glance.seconds(), glance.batch()
        troubles = float(self._guarded.failures)
        return Share(steps, mean, std, broken, wait, forward, batch, fresh, scored, troubles)

    def end(self, patience: float) -> None:
        """No more steps come; the others may take so many seconds to say their part."""
        self.rest()
        self._spread.end(patience)

    def rest(self) -> None:
        """Nothing of it stays installed."""
        if self._glance is not None:
            self._glance.end()

    def _broke(self, error: Exception) -> None:
        self._glance = None
        self._guarded.failed("glance", error)
