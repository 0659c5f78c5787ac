"""Forward passes of the watched model: which one was for training, and what it was like."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from torch import Tensor, nn

from tb_lossdiag.collect.check_up.loss.trained import Known, returned
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.model import kinds
from tb_lossdiag.collect.check_up.model.arguments import Arguments, casts
from tb_lossdiag.collect.check_up.model.asleep import Asleep
from tb_lossdiag.collect.check_up.model.forward_pass import Pass, larger_of, told_by, width
from tb_lossdiag.collect.check_up.model.hooks import ModuleCall, keywords
from tb_lossdiag.collect.check_up.model.inputs import (
    Dial,
    dials,
    input_facts,
    measured_values,
    sequences,
    single_numbers,
    tables,
    tensors_in,
)
from tb_lossdiag.collect.check_up.model.repeats import fingerprints, small_samples
from tb_lossdiag.collect.check_up.model.trace import Trace
from tb_lossdiag.collect.check_up.source import node_id
from tb_lossdiag.collect.check_up.values import Facts, is_real
from tb_lossdiag.collect.state.processor import now
from tb_lossdiag.quantities import (
    EVAL_INPUT_MAX,
    EVAL_INPUT_MEAN,
    EVAL_INPUT_STD,
    EVAL_MODULES,
    EVALUATED_TRAINING,
    INPUT_ABS_MAX,
    INPUT_MEAN,
    INPUT_STD,
    MODE_MODULES,
    ROOT_TRAINING,
    Kind,
)

_EVALUATED = {INPUT_MEAN: EVAL_INPUT_MEAN, INPUT_STD: EVAL_INPUT_STD, INPUT_ABS_MAX: EVAL_INPUT_MAX}
"""What is kept of an evaluation's input."""
_RANKED = 8
"""Modules whose effective rank is taken."""


class Forwards:
    """Keeps the newest pass until a backward pass says whether it was for training."""

    def __init__(self, root: nn.Module, *, activations: bool, held: Sequence[Tensor] = ()) -> None:
        self._root, self._held = root, held
        self._activations = activations
        # Parametrisations compute weights; they are no layers.
        named = {m: n for n, m in root.named_modules() if "parametrizations" not in n.split(".")}
        self._names = {id(module): name for module, name in named.items()}
        self._mode_modules = [m for m in named if kinds.cares_about_mode(m)]
        self._leaves = {id(m) for m in named if kinds.is_leaf(m) and not _is_loss(m)}
        self._ranked = _spread(
            [n for m, n in named.items() if kinds.module_kind(m) in (Kind.LINEAR, Kind.CONVOLUTION)]
        )
        self._stack: list[tuple[nn.Module, int | None]] = []
        self._pending: Pass | None = None
        self._larger: Pass | None = None
        self._was_training = root.training
        self.confirmed: Pass | None = None
        self.evaluated: Facts = {}
        self.keeps = False
        """Whether the arguments of the pass are kept until the step ends."""
        self.others = False
        """Whether the model ran for something else before."""
        self.enough = False
        """Whether the training pass is known, so that no more need to be looked at."""

    @property
    def inside(self) -> bool:
        """Whether the model's own forward pass is going on."""
        return bool(self._stack) and self._stack[0][0] is self._root and not self.enough

    def aside(self, call: ModuleCall) -> None:
        """A call without gradients."""
        before = self._pending is None and self.confirmed is None
        self.others |= before and id(call.module) in self._names
        if call.module is self._root:
            self._evaluate(call)

    def _evaluate(self, call: ModuleCall) -> None:
        """The model itself is asked without gradients."""
        if self._mode_modules:
            awake = any(module.training for module in self._mode_modules)
            meant = awake and kinds.draws_in_eval(self._root)
            before = self.evaluated.get(EVALUATED_TRAINING, 1.0)
            self.evaluated[EVALUATED_TRAINING] = min(float(awake and not meant), float(before))
        if not self._root.training and EVAL_INPUT_MEAN not in self.evaluated:
            given = input_facts(call.args)
            self.evaluated |= {_EVALUATED[q]: v for q, v in given.items() if q in _EVALUATED}

    def entered(self, call: ModuleCall) -> None:
        """A call begins."""
        if self.enough or id(call.module) not in self._names:
            return
        if call.module is self._root:
            self._stack = []
        if not self._stack:
            self._begin(call)
        fed_by = None
        if self._pending and self._pending.trace and id(call.module) in self._leaves:
            fed_by = self._pending.trace.maker(next(tensors_in(call.args), None))
        self._stack.append((call.module, fed_by))
        if self._pending is not None:
            self._pending.called(call.module, call.args)
        if isinstance(call.module, nn.Embedding) and self._pending is not None:
            around = self._stack[-2][0] if len(self._stack) > 1 else None
            self._pending.look_up(call.module, call.args, around)
        if isinstance(call.module, nn.modules.batchnorm._BatchNorm) and call.module.training:  # noqa: SLF001
            self._count_batch_norm(call)

    def _begin(self, call: ModuleCall) -> None:
        """A call that no other of the model's contains: a new pass, or the next part of one whose root is never called."""
        new = self._pending is None or self._pending.closed or call.module is self._root
        if not new and self._root.training is self._was_training:
            return
        self.others |= self._pending is not None
        self._was_training = self._root.training
        trace = Trace(self._ranked) if self._activations else None
        given, modes = input_facts(call.args), self.modes()
        asleep, before = Asleep(self._root, self._held), self._pending
        self._pending = Pass(now(), modes, asleep, trace, given)
        self._larger = larger_of(self._pending, before, self._larger)
        self._pending.sequences = sequences(call.args)
        self._pending.values = measured_values(call.args)
        named = keywords(call.module)
        self._pending.masks = tables((call.args, named))
        self._pending.dials = dials((call.args, named))
        self._pending.derived = any(t.requires_grad and t.is_leaf for t in tensors_in(call.args))

    def left(self, call: ModuleCall) -> None:
        """A call has returned."""
        entry = self._unwound(call.module)
        now = self._pending
        if entry is None or now is None:
            return
        if now.trace and id(call.module) in self._leaves:
            now.trace.module(self._names[id(call.module)], call.module, entry[1], call.output)
        if not self._stack:
            self._finish(now, call)

    def _finish(self, now: Pass, call: ModuleCall) -> None:
        now.given = now.given or input_facts(call.kwargs)
        now.given |= width(next(tensors_in(call.output), None))
        now.made |= {n for t in tensors_in(call.output) if (n := node_id(t)) is not None}
        now.values += measured_values(call.kwargs) if call.module is self._root else []
        now.closed = call.module is self._root
        if now.closed or now.samples is None:  # later parts are given what earlier ones made
            parts = (*tensors_in(call.args), *tensors_in(call.kwargs))
            now.samples, now.small = fingerprints(parts), small_samples(parts)
        if now.closed:
            now.numbers = returned(single_numbers(call.output))
        if now.closed and self.keeps:
            shapes = tuple(t.shape for t in tensors_in(call.output) if is_real(t) and t.dim())
            now.arguments = Arguments(call.args, call.kwargs, shapes, casts())
        if now.trace:
            now.trace.close(call.output)

    def _unwound(self, module: nn.Module) -> tuple[nn.Module, int | None] | None:
        """The entry of a call; those above it ended with an exception."""
        depth = next(
            (d for d in reversed(range(len(self._stack))) if self._stack[d][0] is module), None
        )
        if depth is None:
            return None
        entry = self._stack[depth]
        del self._stack[depth:]
        return entry

    def _count_batch_norm(self, call: ModuleCall) -> None:
        given = next(tensors_in(call.args), None)
        if self._pending is None or given is None or given.dim() < 2 or not given.shape[1]:  # noqa: PLR2004
            return
        values = given.numel() / given.shape[1]
        self._pending.batch_norm_values = min(values, self._pending.batch_norm_values or values)
        self._pending.running.compare(call.module, given)

    def feeder(self, call: FunctionCall) -> int | None:
        """Column that fed an activation function about to be called."""
        trace = self._pending.trace if self._pending else None
        return trace.maker(call.args[0]) if trace and call.args else None

    def function(self, call: FunctionCall, fed_by: int | None) -> None:
        """An activation function has returned."""
        now = self._pending
        if self.enough or now is None or now.trace is None or now.closed:
            return
        module = self._stack[-1][0] if self._stack else None
        # An activation module's own function is no second one; outside all modules, only what the model made is the model's.
        if fed_by is None if module is None else kinds.module_kind(module) in kinds.ACTIVATIONS:
            return
        path = "" if module is None else self._names[id(module)]
        now.trace.function(path, call.name.rstrip("_"), fed_by, call.result)

    def attends(self, call: FunctionCall) -> None:
        """Attention has returned, or a softmax that may be its."""
        now = self._pending
        if not self.enough and now is not None and now.trace is not None and not now.closed:
            path = self._names[id(self._stack[-1][0])] if self._stack else ""
            now.trace.attends(path, call)

    def routes(self, call: FunctionCall) -> None:
        """The largest of some values were chosen: a router's, perhaps."""
        now = self._pending
        if not self.enough and now is not None and now.trace is not None and not now.closed:
            around = [module for module, _ in self._stack[-2:]]
            path = self._names[id(around[-1])] if around else ""
            now.trace.routes(path, call, around)

    def adds(self, call: FunctionCall) -> None:
        """Two tensors have been added: a layer's output to what goes past it, perhaps."""
        if (now := self._open()) is not None and now.trace is not None:
            now.trace.adds(call)

    def clamps(self, call: FunctionCall, result: object) -> None:
        """Numbers are clamped: in place before it is done, else when it is."""
        if (now := self._open()) is not None:
            now.eight_bits.clamps(call, result)

    def casts(self, call: FunctionCall) -> None:
        """A tensor has become one of another type."""
        if (now := self._open()) is not None:
            path = self._names[id(self._stack[-1][0])] if self._stack else ""
            now.eight_bits.casts(path, call)
            now.places.casts(call)

    def _open(self) -> Pass | None:
        """The pass that is going on."""
        now = self._pending
        return None if self.enough or now is None or now.closed else now

    def sequences(self) -> list[Tensor]:
        """Those of the newest pass."""
        newest = self._pending or self.confirmed
        return [] if newest is None else newest.sequences

    def read(self) -> list[Tensor]:
        """Those that the newest pass looked up in its tables."""
        newest = self._pending or self.confirmed
        return [] if newest is None else newest.read

    def numbers(self) -> list[Known]:
        """What the newest pass returned that may be the loss."""
        return [] if self._pending is None else self._pending.numbers

    def values(self) -> list[Tensor]:
        """Those of the newest pass."""
        newest = self._pending or self.confirmed
        return [] if newest is None else newest.values

    def masks(self) -> list[Tensor]:
        """Those of the newest pass."""
        newest = self._pending or self.confirmed
        return [] if newest is None else newest.masks

    def dials(self) -> list[Dial]:
        """Those of the newest pass."""
        newest = self._pending or self.confirmed
        return [] if newest is None else newest.dials

    def wanted(self) -> set[int]:
        """Graph nodes that tell whether the pending pass takes part in a backward pass."""
        passes = (self._pending, self._larger)
        return {node for one in passes if one is not None for node in one.made}

    def confirm(self, reached: Collection[int]) -> None:
        """A backward pass ran over these nodes."""
        now = self._pending
        if now is not None and not now.made.isdisjoint(reached):
            self.confirmed, self.enough = told_by(now, self._larger, reached), True
            self._pending, self._larger, self._stack = None, None, []

    def settle(self) -> None:
        """No backward pass could be seen: the newest pass was for training."""
        self.confirmed = self.confirmed or self._pending

    def renew(self) -> None:
        """Another optimizer made its step: the pass known so far was for that one, if there will be another."""
        self.enough = False

    def modes(self) -> Facts:
        """How many modules are in eval() now."""
        return {
            ROOT_TRAINING: float(self._root.training),
            MODE_MODULES: float(len(self._mode_modules)),
            EVAL_MODULES: float(sum(not module.training for module in self._mode_modules)),
        }


def _is_loss(module: nn.Module) -> bool:
    return type(module).__module__ == "torch.nn.modules.loss"


def _spread(names: Iterable[str]) -> list[str]:
    """Some of them, evenly spread."""
    every = list(names)
    count = min(len(every), _RANKED)
    return [every[index * (len(every) - 1) // max(count - 1, 1)] for index in range(count)]
