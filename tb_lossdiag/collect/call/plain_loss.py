"""The call that most trainings make at every step: a loss, perhaps its terms, and nothing else."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable

from torch import Tensor
from torch.autograd import profiler

from tb_lossdiag.collect.call.call_steps import CallSteps
from tb_lossdiag.collect.call.manual import Manual
from tb_lossdiag.collect.state.gradient_versions import EndVersions
from tb_lossdiag.collect.unseen import dispatching, overriding
from tb_lossdiag.collect.watch.host import Host
from tb_lossdiag.collect.watch.step_counter import StepCounter
from tb_lossdiag.collect.watch.watch import Watch
from tb_lossdiag.collect.watch.watches import Watches

_MOST = 2**63
_clock = time.perf_counter

Terms = dict[str, tuple[float, float, float]]
"""Value, weight and whether it is attached, by name; as `arguments.check_terms` gives them."""


class PlainLoss:
    """Takes such calls in as few operations as can be, where one model is watched; all others are left to the whole way.

    Args:
        host: what watches share.
        watches: those of the writer.
        steps: finds the step of a call.
        by_hand: what users do by hand.

    Attributes:
        count: losses taken.
    """

    def __init__(self, host: Host, watches: Watches, steps: CallSteps, by_hand: Manual) -> None:
        self._host, self._watches, self._steps = host, watches, steps
        self._by_hand, self.count = by_hand, 0
        self._unrest, self._calm_at = host.guarded.unrest, -1
        self._clips, self._outlet, self._last = host.clips, host.outlet, host.optimizers.last
        self._line = host.outlet.waiting.training
        self._watch: Callable[[], Watch | None] = lambda: None
        self._counter, self._key, self._alone = StepCounter(), 0, False

    def take(  # noqa: C901, PLR0911  (in the midst of a training each call of a function costs a microsecond)
        self, loss: object, terms: object, step: object
    ) -> bool:
        """Take a call of the training that gives nothing else; False if it is not that simple, or fails, and is to be taken the whole way."""
        start = _clock()
        try:
            watch = self._watch()
            if watch is None or self._calm_at != self._unrest.count:
                watch = self._settled()
            if watch is None or overriding() or dispatching() or profiler._is_profiler_enabled:  # noqa: SLF001
                return False
            try:
                number = loss.item() if type(loss) is Tensor and loss.is_cpu else loss
            except (RuntimeError, ValueError):  # several elements, or none
                return False
            if type(number) is not float:
                return False
            given = None if terms is None else _terms(terms)
            if given is None and terms is not None:
                return False
            if step is not None or not self._bare(number, given, start):
                if step is not None and not (type(step) is int and 0 <= step < _MOST):
                    return False
                if not self._put(watch, number, given, step):
                    return False
            self.count += 1
            watch.times.own += _clock() - start
        except Exception as error:  # noqa: BLE001  (training must go on)
            self._host.guarded.caught("loss", error)
            return False
        return True

    def _bare(self, number: float, terms: Terms | None, start: float) -> bool:
        """Take a loss of the step to come, and its terms: what `_put` does, in a third of its calls; whether it is that."""
        mark, line, counter = self._last.get(self._key), self._line, self._counter
        if type(mark) is not EndVersions or not mark.fresh() or self._clips.calls:
            return False
        at = counter.last + 1 if counter.coming is None else counter.coming
        calm = self._alone and number - number == 0.0 and start < self._outlet.due
        if not calm or at <= line.newest or at < self._steps.newest:
            return False
        now = time.time()
        if terms is not None and not self._outlet.waiting.put_finite_terms(at, now, terms):
            return False
        self._steps.newest = line.newest = at
        line.rows.append((at, now, number))
        return True

    def _settled(self) -> Watch | None:
        """The watch that calls are of, as long as nothing happens; None where they are not that simple."""
        watch, host = self._watches.only(), self._host
        if watch is None or not watch.plain or self._by_hand.waits:
            return None
        if host.guarded.troubled or host.silent:
            return None
        self._watch, self._calm_at = weakref.ref(watch), self._unrest.count
        self._counter, self._key = watch.counter, watch.key
        self._alone = watch.rows.hold.over and watch.talk is None and not watch.scaled
        return watch

    def _put(self, watch: Watch, number: float, given: Terms | None, step: int | None) -> bool:
        """Whether the clips, if there are some, are as simple, too."""
        if self._clips.calls and watch.distant:
            return False
        outlet, at = self._outlet, self._step(watch, step)
        now, waiting = time.time(), outlet.waiting
        if self._clips.calls:
            self._host.clipped(watch.rows, at, self._clips.take())
        waiting.training.put(at, now, (number,))
        if watch.talk is not None:
            watch.talk.lost(number)
        broken = number - number != 0.0  # no finite one
        if given is not None:
            waiting.put_terms("train", at, now, given)
        if broken or waiting.urgent or time.perf_counter() > outlet.due:
            waiting.broken |= broken
            outlet.if_due(now=watch.rows.full)
        return True

    def _step(self, watch: Watch, step: int | None) -> int:
        """Which step the call is of, for all who have to know of it."""
        if step is None:
            watch.rows.hold.over = True
            self._alone = watch.talk is None and not watch.scaled
            at = watch.step
        else:
            at = self._steps.of_training((watch,), step)
        if self._steps.went_back(at):
            self._host.guarded.door("writing", self._outlet.flush)
        if watch.scaled:
            self._host.guarded("scaler", lambda: watch.called(at))
        return at


def _number(value: object) -> float | None:
    """A number of the host, None for anything else."""
    if type(value) is float:
        return value
    if type(value) is not Tensor or not value.is_cpu:
        return None
    try:
        number = value.item()
    except (RuntimeError, ValueError):  # several elements, or none
        return None
    return number if type(number) is float else None


def _terms(given: object) -> Terms | None:
    """Loss terms, None if they are no plain numbers of the host."""
    if type(given) is not dict or not given:
        return None
    found: Terms = {}
    for name, value in given.items():
        weight = 1.0
        if type(value) is tuple:
            if len(value) != 2 or type(value[1]) is not float:  # noqa: PLR2004
                return None
            value, weight = value  # noqa: PLW2901
        number = _number(value)
        if number is None or type(name) is not str:
            return None
        attached = float(value.requires_grad) if type(value) is Tensor else math.nan
        found[name] = number, weight, attached
    return found
