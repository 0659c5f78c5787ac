"""An optimizer that is watched in somebody else's loop, and what was backpropagated for it."""

from __future__ import annotations

import weakref
from typing import Any

from torch import nn

from tb_lossdiag.collect.check_up.loss.trained import Trained
from tb_lossdiag.collect.diagnostics import Diagnostics
from tb_lossdiag.collect.state.models import inner
from tb_lossdiag.collect.watch.watch import Watch
from tb_lossdiag.integrations.backward import BackwardLoss
from tb_lossdiag.integrations.evaluations import Evaluations
from tb_lossdiag.integrations.torch_clips import TorchClips


class Watched:
    """An optimizer that is watched, and what was backpropagated for it.

    Args:
        name: of the watch, "" where there is one only.
        optimizer: torch's own.
        watch: the writer's.
        losses: what was backpropagated.
        clips: sends its clips through the writer.
    """

    def __init__(
        self, name: str, optimizer: Any, watch: Watch, losses: BackwardLoss, clips: TorchClips
    ) -> None:
        self.name, self.optimizer, self.watch = name, optimizer, watch
        self.losses, self._clips = losses, clips
        self.hook: Any = None
        self._evaluations: Evaluations | None = None

    def evaluate(self, model: nn.Module, ours: Diagnostics) -> None:
        """Take validation losses from the loop's own evaluations, too."""
        watch = weakref.ref(self.watch)
        self._evaluations = Evaluations(
            inner(model), lambda: _trained(watch()), self.losses.scale, ours
        )
        self.losses.begins = self._evaluations.before

    def evaluate_no_more(self) -> None:
        """Leave the loop's evaluations alone."""
        if self._evaluations is not None:
            self._evaluations.close()
        self._evaluations = self.losses.begins = None

    def remove(self) -> None:
        """Stop observing."""
        self.let_go()
        self.watch.remove()

    def let_go(self) -> None:
        """Stop listening beside the watch, which goes on or has ended."""
        self.evaluate_no_more()
        self.hook.remove()
        self.losses.close()
        self._clips.close()


def _trained(watch: Watch | None) -> Trained | None:
    """What the loss of a watched model is, as its newest check-up saw it."""
    examiner = watch.examiner if watch is not None and watch.active else None
    return None if examiner is None else examiner.trained
