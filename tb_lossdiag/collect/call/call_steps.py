"""Which step a call of `add_diagnostics` is of: as the user numbers it, or as steps are counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tb_lossdiag.collect.buffers.outlet import Outlet
from tb_lossdiag.collect.call.call import DiagnosticsCall
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.collect.watch.numbering import Numbering
from tb_lossdiag.collect.watch.watch import Watch
from tb_lossdiag.quantities import MOVED_BY_ANOTHER

_OFTEN = 10
"""Calls between which weights changed; more than checkpoints and averages that are loaded before a training begins."""


class CallSteps:
    """Finds the step of each call, and gives the watched steps its number.

    Args:
        first: the first step, unless it is named.
        outlet: where watched steps wait for their number.
        optimizers: count their steps where none is watched.
        renumbered: is told of the step and the user's number whenever numbers begin again.

    Attributes:
        first: the step from which calls are counted.
        newest: the step of the newest call of the training, -1 without.
    """

    def __init__(
        self,
        first: int,
        outlet: Outlet,
        optimizers: Optimizers,
        renumbered: Callable[[int, int], None],
    ) -> None:
        self.first = first
        self._outlet, self._optimizers = outlet, optimizers
        self._numbering = Numbering(renumbered)
        self.newest = -1

    def coming(self, counted: int) -> int:
        """The first step of a watch that begins now, unless it is named: after all that this writer and earlier ones know of.

        Args:
            counted: the newest step that a watch has counted.
        """
        return max(self.first, self.newest + 1, counted + 1, 0)

    def went_back(self, step: int) -> bool:
        """The training is at this step; whether it was further before."""
        back, self.newest = step < self.newest, step
        return back

    def of(
        self, call: DiagnosticsCall, watches: Sequence[Watch], step: int | None, unnamed: int
    ) -> int:
        """The step of a call.

        Args:
            call: what was given.
            watches: those that observe; their steps are named after it.
            step: the user's number, None to count.
            unnamed: the number of calls before this one, which counts where no optimizer is known.
        """
        if step is None:
            return self._count(call, watches, unnamed)
        if call.phase == "validation":
            return self._numbering.beside("validation", step)
        if not call.own:
            return self.of_training(watches, step)
        at = self._numbering.beside("own", step)
        return at if self._numbering.begun else self._named(watches, at)

    def of_training(self, watches: Sequence[Watch], step: int | None) -> int:
        """The step of a call of the training of watched models, which the user numbers so; None to count."""
        if step is not None:
            return self._named(watches, self._training(watches, step))
        for watch in watches:
            watch.rows.hold.over = True
        return watches[0].step

    def _named(self, watches: Sequence[Watch], at: int) -> int:
        """This step, which the watches' steps are named after."""
        for watch in watches:
            if (rename := watch.name_step(at)) is not None:
                self._outlet.waiting.rename(watch.rows, watch.rows.rename(rename))
        return at

    def _training(self, watches: Sequence[Watch], step: int) -> int:
        """The step of a call of the training that the user numbers so."""
        loads = [watch.reloads.take() for watch in watches]
        if None in loads:
            self._touched(watches)
        loaded = True in loads or (None if None in loads or not loads else False)
        coming = max((watch.step for watch in watches), default=0)
        return self._numbering.training(step, loaded=loaded, coming=coming)

    def _touched(self, watches: Sequence[Watch]) -> None:
        """Something else has changed a watched model's weights; if that goes on while its optimizer rests, it is another one that trains."""
        if any(watch.rests and watch.reloads.touches == _OFTEN for watch in watches):
            self._outlet.say({MOVED_BY_ANOTHER: "without a step"})

    def _count(self, call: DiagnosticsCall, watches: Sequence[Watch], unnamed: int) -> int:
        if watches:
            return self.of_training(watches, None) if call.phase == "train" else watches[0].step
        done = self._optimizers.steps if len(self._optimizers) else unnamed
        return self.first + (max(done - 1, 0) if call.phase == "validation" else done)
