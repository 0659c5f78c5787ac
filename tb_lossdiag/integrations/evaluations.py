"""The validation losses of a loop that tells nobody: what its own evaluations compute between two steps."""

from __future__ import annotations

import functools
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from tb_lossdiag.collect.check_up.call_site import call_path
from tb_lossdiag.collect.check_up.loss.trained import Trained
from tb_lossdiag.collect.diagnostics import Diagnostics
from tb_lossdiag.collect.unseen import real
from tb_lossdiag.integrations.evaluation import Evaluation, two_levels

TWO_SETS = (
    "not taken from the loop: one evaluation is of two sets of data; give it to add_diagnostics"
)
_listeners: weakref.WeakValueDictionary[int, Evaluations] = weakref.WeakValueDictionary()
"""By the model's id."""
_plain: Callable[..., Any] = nn.Module.train


class Evaluations:
    """The evaluations of one model.

    Of several between two steps (of training data and of others, say) the one with the highest loss so far counts, and only if none is
    made more often.

    Args:
        root: the model itself.
        trained: says what its loss is, as far as that is known.
        scale: of a GradScaler in the newest step.
        ours: records them. A loop that tells its own validation losses is left to do so.
    """

    def __init__(
        self,
        root: nn.Module,
        trained: Callable[[], Trained | None],
        scale: Callable[[], float],
        ours: Diagnostics,
    ) -> None:
        self._root, self._trained, self._scale, self._ours = weakref.ref(root), trained, scale, ours
        self._told = ours.told("validation")
        self._now: Evaluation | None = None
        self._way = 0
        self._thread = threading.get_ident()
        self._waiting: dict[tuple[int, int], float] = {}
        self._made = Counter[tuple[int, int]]()
        self._sums = Counter[tuple[int, int]]()
        self._unclear = False
        ours.asked_at_end.add(self)
        _listen(self, root)

    def close(self) -> None:
        """Listen no more."""
        self.settle()
        root = self._root()
        if root is not None and _listeners.get(id(root)) is self:
            del _listeners[id(root)]
        _leave()

    def of(self, module: Any) -> bool:
        """Whether it is this model's."""
        return self._root() is module

    def mode(self, training: bool) -> None:
        """The model was put into `train()` or `eval()`."""
        if self._unclear or threading.get_ident() != self._thread or not real():
            return
        if training:
            self._ended()
        elif self._now is None:
            self._begin()

    def _begin(self) -> None:
        root, trained = self._root(), self._trained()
        kin = None if trained is None else trained.kin
        if root is None or trained is None or kin is None or not trained.plain(self._scale()):
            return
        self._way = call_path()
        self._now = Evaluation(root, kin)
        self._now.begin()

    def _ended(self) -> None:
        done, self._now = self._now, None
        if done is None:
            return
        done.end()
        sums, counts = done.batches()
        if not done.clear or not len(sums) or not counts.sum() > 0:
            return
        if two_levels(sums, counts):
            self._unclear = True
            self._waiting = {}
            self._ours.recorder.say({"validation": TWO_SETS})
            return
        again = sum(way == self._way for way, _ in self._waiting)
        self._waiting[self._way, again] = float(sums.sum() / counts.sum())

    def before(self) -> None:
        """A backward pass begins: no evaluation is going on, and what was evaluated belongs to the step before."""
        if self._now is not None:
            self._now.end()
            self._now = None
        if self._waiting:
            self._record()

    def settle(self) -> None:
        """No more steps come."""
        self._ended()
        if self._waiting:
            self._record()

    def _record(self) -> None:
        found, self._waiting = self._waiting, {}
        if self._ours.told("validation") != self._told:
            self._unclear = True
            return
        for key, value in found.items():
            self._made[key] += 1
            self._sums[key] += value if np.isfinite(value) else 0.0  # type: ignore[assignment]
        often = max(self._made.values())
        usual = [key for key in found if self._made[key] == often]
        if usual:
            self._ours.validated(found[max(usual, key=lambda key: self._sums[key])])
            self._told = self._ours.told("validation")


def _listen(listener: Evaluations, root: nn.Module) -> None:
    weakref.finalize(listener, _leave)  # first: what came last is called first
    _listeners[id(root)] = listener
    if nn.Module.train is not _told:
        global _plain  # noqa: PLW0603  (whoever replaced it before us is called by us)
        _plain = nn.Module.train
        setattr(nn.Module, "train", _told)  # noqa: B010


def _leave() -> None:
    """The method is torch's own again when nobody listens."""
    if not _listeners and nn.Module.train is _told:
        setattr(nn.Module, "train", _plain)  # noqa: B010


@functools.wraps(nn.Module.train)
def _told(module: Any, mode: bool = True) -> Any:
    result = _plain(module, mode)
    listener = _listeners.get(id(module))
    if listener is not None:
        _quietly(listener, module, mode)
    return result


def _quietly(listener: Evaluations, module: Any, mode: bool) -> None:
    """Hearing must not end a training."""
    try:
        if listener.of(module):
            listener.mode(mode)
    except Exception:  # noqa: BLE001
        listener.close()
