"""The calm step: one that is like the step before. Of it only what differs from step to step is looked at, in as few operations as can be.

In the midst of a training code is cold: what takes a microsecond in a loop of its own takes ten there. So whatever can be worked out
once for many steps is, what can change between two steps is told by `unrest` instead of being asked for, and anything unusual is left
to the whole way of `steps`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from torch import Tensor
from torch.autograd import profiler

from tb_lossdiag.collect.buffers.norm_buffer import CALM_ROWS, ROWS, NormBuffer
from tb_lossdiag.collect.state.gradient_versions import EndVersions
from tb_lossdiag.collect.state.optimizers import ends_of, parameters_of
from tb_lossdiag.collect.state.scaler import steps_unscaled
from tb_lossdiag.collect.unseen import dispatching, overriding
from tb_lossdiag.collect.watch.gauge import Gauge, Norms
from tb_lossdiag.collect.watch.host import Host
from tb_lossdiag.collect.watch.step_counter import StepCounter
from tb_lossdiag.collect.watch.step_gradients import StepGradients, places_of
from tb_lossdiag.collect.watch.watched_parameters import WatchedParameters

_parameters: Callable[[Mapping[str, Any]], Iterable[Tensor]] = operator.itemgetter("params")
_FIRST = 4
"""Steps that are never calm."""
PASSED: list[float] = []
"""Norms of a step that is passed by."""
_PLACES = 4
"""Steps between two looks at whether the model holds the parameters that it held, 10 µs in the midst of a training: what is replaced in
the optimizer, too, is seen at each, and of what it does not hold the gradient is missing, or nothing, once it is zeroed."""
_LONGEST = 256
"""Steps, at most, before calm ones are expected again after one that was not: 1, 2, 4 … while they come no more."""


class Pattern(NamedTuple):
    """Which gradients a step has.

    Attributes:
        gauge: takes their norms; None where they are not asked for, since only every so many steps are.
        where: their columns, None for all.
        empty: parameters without one.
        left: those with one that is left over, since they are frozen.
        trained: those with one, if some are frozen; else nobody looks.
        ends: remember which gradients a step used.
        simple: whether all have one and none is frozen, so that there is nothing to look at.
    """

    gauge: Gauge | None
    where: Any
    empty: list[Tensor]
    left: list[Tensor]
    trained: Sequence[Tensor]
    ends: EndVersions
    simple: bool

    def holds(self) -> bool:
        """Whether the gradients that there are now are those, as far as the gauge does not see it."""
        return not (
            (self.empty and any(p.grad is not None for p in self.empty))
            or (self.left and any(p.requires_grad for p in self.left))
            or (self.trained and not all(p.requires_grad for p in self.trained))
        )


@dataclass
class CalmSteps:
    """Whether a step is a calm one, and its norms.

    Attributes:
        rows: where steps wait.
        optimizer: whose steps.
        model: the model's parameters.
        host: what the watch shares with the writer's other parts.
        counter: numbers the steps.
        gradients: of the other steps.
        possible: whether there can be calm steps at all.
        every: steps between two looks at the gradients; those between are passed by.
        scaler: the GradScaler that calls the optimizer, None without.
        pattern: of the gradients of the coming step, if it may be a calm one.
        norms: of the step that goes on, if it is one; none of one that is passed by.
        clipped: whether each of these steps has a clip.
        around: whether they may have something besides gradients: a clip, a scale.
    """

    rows: NormBuffer
    optimizer: Any
    model: WatchedParameters
    host: Host
    counter: StepCounter
    gradients: StepGradients
    possible: bool
    every: int
    scaler: Any = None
    pattern: Pattern | None = None
    norms: Norms | None = None
    clipped: bool = False
    around: bool = False
    _scaled: bool = False
    _ends: Sequence[Tensor] = ()
    _kept: Pattern | None = None
    _kept_for: tuple[Any, bool] = (None, False)
    _held: Sequence[Tensor] = ()
    _calm_at: int = -1
    _rest: int = 0
    _after: int = 1

    def __post_init__(self) -> None:
        """What is asked at every step is at hand."""
        self._unrest = self.host.guarded.unrest

    def expect(self, taken: int) -> None:
        """So many steps were taken, the last not a calm one; the next may be."""
        self._rest -= 1
        if not self.possible or taken < _FIRST or self._rest >= 0 or not self._quiet():
            return
        self._calm_at = self.host.guarded.unrest.count
        judged = self.host.outlet.live is not None
        self.rows.most = ROWS if judged else CALM_ROWS  # news of fast steps is not to wait
        self._scaled = self.scaler is not None and self.scaler.is_enabled()
        if self._kept is None or self._stale():
            self._kept_for = self.model.now, self.model.frozen
            self._kept = self._found() if self.every == 1 else self._passed_by()
        self._held = parameters_of(self.optimizer)
        known = self.every > 1 or (
            len(self._held) == self.model.held and not self.model.places.changed()
        )
        self.pattern = self._kept if known and self._agree(self._kept) else None

    def _agree(self, pattern: Pattern | None) -> bool:
        """Agree on the clip that each step has, or that none has one; whether steps with it can be calm."""
        clips = self.host.clips
        clips.agreed, self.clipped, self.around = None, False, self.scaler is not None
        if pattern is None or clips.quiet:
            return True
        call = clips.steady
        if call is None:
            return False
        if pattern.gauge is not None:
            held = pattern.gauge.held
            if call.held != list(map(id, held)):
                return False
            self._ends = held[0], held[-1]
        clips.agreed, self.clipped, self.around = call.held, True, True
        return True

    def _stale(self) -> bool:
        """Whether the model's parameters are others than those that the pattern is of."""
        now, frozen = self._kept_for
        return now is not self.model.now or frozen is not self.model.frozen

    def begin(self, taken: int, arguments: Any, named: Any) -> bool:
        """The step after so many begins, with these arguments; whether it is a calm one, whose norms are known now."""
        norms: Norms | None = None
        self.norms, pattern = norms, self.pattern
        if pattern is None:
            return False
        if (
            self._calm_at == self._unrest.count
            and not overriding()
            and not dispatching()
            and not profiler._is_profiler_enabled  # noqa: SLF001
        ):
            gauge = pattern.gauge
            if gauge is None:
                norms = PASSED if taken % self.every else None
            elif not named and len(arguments) < 2 and self._holds(taken, pattern):  # noqa: PLR2004  (the optimizer itself)
                norms = self._before_clip(gauge) if self.clipped else gauge.norms()
        if norms is None:
            self._disappointed(pattern)
            return False
        self.norms, self._after = norms, 1
        return True

    def _holds(self, taken: int, pattern: Pattern) -> bool:
        """Whether the optimizer steps what it stepped, as it did."""
        optimizer, known = self.optimizer, self._held
        groups = optimizer.param_groups
        if len(groups) == 1:
            held = groups[0]["params"]
        else:
            held = list(chain.from_iterable(map(_parameters, groups)))
        if len(held) != len(known) or not all(map(operator.is_, held, known)):
            return False
        if getattr(optimizer, "grad_scale", None) is not None:
            return False
        if self._scaled and not steps_unscaled(self.scaler, optimizer):
            return False
        if taken % _PLACES == 0 and self.model.places.changed():
            return False
        return pattern.simple or pattern.holds()

    def _before_clip(self, gauge: Gauge) -> Norms | None:
        """Norms as the step's clip found them, None if it had none, or the gradients are not as it left them."""
        clips = self.host.clips
        call = clips.only or clips.steady  # which a call of `add_diagnostics` may have recorded
        if call is None or call.each is None or not call.mark.unchanged(self._ends):
            return None
        return gauge.known(call.each)

    def _disappointed(self, pattern: Pattern) -> None:
        """It is not a calm one."""
        if pattern.gauge is None:
            self.pattern = None
        else:
            pattern.gauge.over()
            self._stir()

    def look(self) -> None:
        """Now and then, before the gradients are over: whether they are of the same kind still."""
        if self._kept is not None and self._kept.gauge is not None and not self._kept.gauge.usual:
            self._stir()

    def interrupt(self) -> None:
        """The next step is not a calm one, those after it may be."""
        self.pattern = None

    def over(self) -> None:
        """No gradient is kept."""
        self.norms = None
        if self._kept is not None and self._kept.gauge is not None:
            self._kept.gauge.over()

    def _stir(self) -> None:
        """It was not as expected: rest, each time longer, since an expectation that fails costs more than none."""
        self.pattern = self._kept = None
        self._rest, self._after = self._after, min(2 * self._after, _LONGEST)

    def _quiet(self) -> bool:
        """Whether nothing is going on that needs more than norms."""
        rows, host = self.rows, self.host
        settled = rows.hold.over and not rows.provisional and not host.absent(rows)
        alone = not self.counter.shared  # has a number of its own
        return settled and alone and not host.guarded.troubled and self.gradients.as_they_are

    def _passed_by(self) -> Pattern | None:
        """Of steps whose gradients nobody looks at."""
        ends = ends_of(self.optimizer)
        return None if ends is None else Pattern(None, None, [], [], (), ends, simple=True)

    def _found(self) -> Pattern | None:
        """The pattern of the step that has just ended."""
        tensors = self.model.now.tensors
        having = [p for p in tensors if p.grad is not None]
        held = [p for p in having if p.requires_grad] if self.model.frozen else having
        gauge, ends = Gauge.of(held), ends_of(self.optimizer)
        if gauge is None or ends is None:
            self._stir()
            return None
        every = len(held) == len(tensors)
        return Pattern(
            gauge,
            None if every else places_of(tensors, held),
            [p for p in tensors if p.grad is None],
            [p for p in having if not p.requires_grad] if self.model.frozen else [],
            held if self.model.frozen else (),
            ends,
            simple=every and not self.model.frozen,
        )
