"""What happens to gradients between two steps, in order: reset, backward, unscale, clip, use, change after use."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.addends import attached_addends
from tb_lossdiag.collect.check_up.call_site import script_line
from tb_lossdiag.collect.check_up.functions import Kind
from tb_lossdiag.collect.check_up.left import Left
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.norms import Norms, gradient_norms
from tb_lossdiag.collect.check_up.parts import Parts
from tb_lossdiag.collect.check_up.root_value import root_value
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.used import Used, address
from tb_lossdiag.collect.check_up.values import Facts, Value
from tb_lossdiag.quantities import (
    ATTACHED_ADDENDS,
    BACKPROPAGATED,
    BACKWARD_NORM,
    BACKWARDS,
    CARRIED_NORM,
    CLIP_WHILE_SCALED,
    CLIPS_SEEN,
    EMPTY_CLIPS,
    FIRST_BACKWARD_NORM,
    LATE_CLIPS,
    LATE_FACTOR,
    OTHER_SAMPLES,
    PASSES_ALIKE,
    REACHING_PASSES,
    STEP_NORM,
    STEP_RATIO_SPREAD,
    THROWN_PASSES,
    UNSCALE_FACTOR,
    ZERO_GRADS,
)


class ClipCounter:
    """Counts clips from single in-place calls: one call per gradient, one per device, or two for both bounds make one clip."""

    def __init__(self) -> None:
        self._touched: dict[Kind, set[tuple[int, str]]] = {}
        self.count = 0
        self.before_unscale = False

    def note(self, call: FunctionCall, gradients: Sequence[int], *, unscaled: bool) -> None:
        """These gradients were scaled or clamped."""
        new = {(gradient, call.name) for gradient in gradients}
        touched = self._touched.setdefault(call.kind, set())
        if not touched or touched & new:
            self.count += 1
            touched.clear()
        touched |= new
        # A mean over micro-batches divides by a plain number; that is no clip, and right with any scale.
        mean = "div" in call.name and len(call.args) > 1 and isinstance(call.args[1], (int, float))
        self.before_unscale |= not unscaled and not mean


class Gradients:
    """Follows the gradients of one optimizer's parameters."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._used = Used(subject.held())
        self._clips = ClipCounter()
        self._late: list[Tensor] = []
        self._addresses: dict[int, Tensor] = {}
        self._unscaled: Value | None = None
        # Whether there was an `unscale_` since the last backward pass.
        self._clean = False
        self._before: Norms | None = None
        self._moved: Tensor | None = None
        self._alike: Value = 1.0
        self._root: Value = math.nan
        self._trained: Value = 0.0
        self._reaching: Value = 0.0
        self._first: Value | None = None
        self._last: Norms | None = None
        self._reset = False
        self._cleared = False
        self._thrown = 0
        self._left = Left()
        self.parts = Parts(subject.held())
        self._empty_clips = 0
        self._addends = 0
        self.clip_line = ""
        self.backwards = 0
        self.unscalings = 0

    @property
    def root(self) -> Value:
        """What the newest backward pass began from."""
        return self._root

    def before(self, call: FunctionCall) -> None:
        """One of the watched kinds of functions is about to run."""
        if call.kind is Kind.BACKWARD:
            self._root = root_value(call)
            self._addends = attached_addends(call.args[0] if call.args else None)
            self._left.begins(self._subject.held())
            self.parts.passes()
            self._before_backward()
        elif call.kind in (Kind.SCALE, Kind.CLAMP):
            self._late = self._used.touched(call.tensors())
            if self._late:
                self._used.before_change(self._late)
        elif call.kind is Kind.ZERO and self._used.touched(call.tensors()):
            self._used.reset = True
        elif call.kind is Kind.ZERO and self.backwards and self._ours(call.tensors()):
            self._cleared = True

    def after(self, call: FunctionCall) -> None:
        """It has run."""
        if call.kind is Kind.BACKWARD:
            self._after_backward()
        elif call.kind is Kind.UNSCALE and self._ours(call.tensors()):
            self._unscaled = call.args[2].detach().clone()
            self._clean = True
            self.unscalings += 1
        elif call.kind is Kind.EMPTY_CLIP:
            self._empty_clips += 1
        elif self._late:
            self._used.after_change(self._late)
            self._late = []
            self.clip_line = self.clip_line or script_line()
        elif call.kind in (Kind.SCALE, Kind.CLAMP) and (ours := self._ours(call.tensors())):
            self._clips.note(call, ours, unscaled=self._clean)
            self.clip_line = self.clip_line or script_line()

    def claimed(self, others: Sequence[Tensor]) -> None:
        """Another optimizer makes its step with these parameters."""
        self._left.claimed(others)

    def _before_backward(self) -> None:
        if self.backwards:
            self._count_thrown()
            return
        self._before = gradient_norms(self._subject.held())
        self._reset = self._used.reset or self._used.replaced()
        self._used.forget()

    def _count_thrown(self) -> None:
        """What the passes before this one had made may be gone."""
        made = self._last is not None and bool(self._last.each)
        if made and (self._cleared or all(p.grad is None for p in self._subject.held())):
            self._thrown = self.backwards
        self._cleared = False

    def _after_backward(self) -> None:
        held = self._subject.held()
        before = self._last or self._before
        self._last = gradient_norms(held)
        moved = None if before is None else self._last.moved_since(before)
        self._trained = self._trained + _reaching(self._root, moved)
        self._reaching = self._reaching + (1.0 if moved is None else moved.any().float())
        self._left.ended(moved)
        self._compare(moved)
        self._first = self._last.total if self._first is None else self._first
        self._addresses = {
            address(p.grad): p for p in held if p.grad is not None and address(p.grad)
        }
        self._clean = False
        self.backwards += 1

    def _compare(self, moved: Tensor | None) -> None:
        """Whether this pass changed the same gradients as the first one of the step."""
        if not self.backwards:
            self._moved = moved
        elif moved is None or self._moved is None or moved.shape != self._moved.shape:
            self._alike = 0.0
        else:
            self._alike = self._alike * (moved == self._moved).all().float()

    def _ours(self, tensors: Sequence[object]) -> list[int]:
        """Ids of the parameters whose gradients share memory with these tensors."""
        addresses = [address(t) for t in tensors if isinstance(t, Tensor)]
        found = [(a, self._addresses[a].grad) for a in addresses if a in self._addresses]
        return [
            id(self._addresses[a]) for a, grad in found if grad is not None and address(grad) == a
        ]

    def facts(self, at_step: Norms | None, *, seen: bool) -> Facts:
        """What order.py names of gradients.

        Args:
            at_step: norms of the gradients the step used; None if unknown.
            seen: whether calls could be seen.
        """
        used = self._used
        late: Facts = {LATE_FACTOR: used.factor(), LATE_CLIPS: used.clipped()} if seen else {}
        step: Facts = {} if at_step is None else {STEP_NORM: at_step.total}
        if not self.backwards or self._last is None:
            return late | step
        return {
            **late,
            **step,
            BACKWARDS: float(self.backwards),
            **self._several(),
            PASSES_ALIKE: self._alike,
            **self._left.facts(),
            **({EMPTY_CLIPS: float(self._empty_clips)} if self._empty_clips else {}),
            **self._added(),
            BACKPROPAGATED: self._trained,
            REACHING_PASSES: self._reaching,
            ZERO_GRADS: self._zero_grads(),
            CARRIED_NORM: math.nan if self._before is None else self._before.total,
            FIRST_BACKWARD_NORM: _known(self._first),
            BACKWARD_NORM: self._last.total,
            STEP_RATIO_SPREAD: math.nan if at_step is None else _spread(self._last, at_step),
            UNSCALE_FACTOR: 1.0 if self._unscaled is None else self._unscaled,
            CLIPS_SEEN: float(self._clips.count),
            CLIP_WHILE_SCALED: float(
                self._clips.count > 0 and self._clips.before_unscale and self._scaled()
            ),
        }

    def _several(self) -> Facts:
        """Of more than one pass."""
        if self.backwards == 1:
            return {}
        return {THROWN_PASSES: float(self._thrown), OTHER_SAMPLES: self.parts.others}

    def _added(self) -> Facts:
        """Of the one pass of a step: another may bring what this one lacks."""
        alone = self.backwards == 1 and self._addends
        return {ATTACHED_ADDENDS: float(self._addends)} if alone else {}

    def _zero_grads(self) -> Value:
        if not self._used.existed:
            return math.nan
        carried = None if self._before is None else self._before.total
        if self._reset or not isinstance(carried, Tensor):
            return 1.0
        return (carried == 0).float()

    def _scaled(self) -> bool:
        """Whether a loss scale was on the gradients until an `unscale_`, or until the step where the optimizer unscales itself."""
        if self._unscaled is not None:
            return True
        scaler = self._subject.scaler
        fused = getattr(self._subject.optimizer, "_step_supports_amp_scaling", False)
        return bool(fused and scaler is not None and scaler.is_enabled())


def _reaching(root: Value, moved: Tensor | None) -> Value:
    """The value of a pass that reached any of the parameters; 0 of one that reached none."""
    if moved is None or not isinstance(root, Tensor):
        return root
    return torch.where(moved.any().to(root.device), root, 0.0)


def _known(value: Value | None) -> Value:
    return math.nan if value is None else value


def _spread(before: Norms, after: Norms) -> Value:
    """(largest - smallest) / largest of after/before over the parameters with a norm before."""
    both = [key for key in before.each if key in after.each]
    if not both:
        return math.nan
    old = torch.stack([before.each[key] for key in both])
    ratio = torch.stack([after.each[key] for key in both]) / old
    counts = old > 0
    high = torch.where(counts, ratio, -math.inf).max()
    low = torch.where(counts, ratio, math.inf).min()
    return torch.where(counts.any(), (high - low) / high, math.nan)
