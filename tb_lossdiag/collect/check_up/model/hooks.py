"""Sees modules being called while a check-up runs; nothing is ever stored on the user's model.

PyTorch's process-wide module hooks are used: a model stays picklable, and copies of it carry nothing.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.modules import module as _global
from torch.utils.hooks import RemovableHandle

from tb_lossdiag.collect.check_up.mode import Fallible, observable, quietly, switchboard
from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.tracing import inlined, tracing
from tb_lossdiag.collect.unseen import measurable


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module.

    Attributes:
        module: who.
        args: positional arguments.
        kwargs: keyword arguments; known once it has returned.
        output: what it returned; None before.
    """

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    output: Any = None


class ModuleListener(Fallible, Protocol):
    """Someone who is told of module calls in the thread that added it. It runs without autograd and unseen by any mode."""

    def entered(self, call: ModuleCall) -> None:
        """A module is called while gradients are recorded."""

    def left(self, call: ModuleCall) -> None:
        """It has returned."""

    def aside(self, call: ModuleCall) -> None:
        """A module is called without gradients: not for training."""

    def answered(self, call: ModuleCall) -> None:
        """It has returned."""

    def exported(self) -> None:
        """A model is being exported, which no hook may see: it won't be told of more."""


_NEAR = 12
"""Frames between a hook and what calls it."""
_WITH_KWARGS = "with_kwargs" in inspect.signature(_global.register_module_forward_hook).parameters


class _Hooks:
    """The process's hooks, installed while anyone listens."""

    def __init__(self) -> None:
        self._listeners: list[tuple[int, ModuleListener]] = []
        self._handles: list[Any] = []
        self._hooks = self._harmless(self._before), self._harmless(self._after)
        self._numbers: int | None = None
        self._lock = threading.RLock()

    def add(self, listener: ModuleListener) -> None:
        """Tell this listener of the calls of its thread from now on."""
        switchboard().aside = []
        with self._lock:
            self._listeners.append((threading.get_ident(), listener))
            if not self._handles:
                self._install()

    def _install(self) -> None:
        options: dict[str, bool] = {"with_kwargs": True} if _WITH_KWARGS else {}
        before, after = self._hooks
        with self._same_numbers():
            self._handles = [
                _global.register_module_forward_pre_hook(before),
                _global.register_module_forward_hook(after, **options),
            ]
        self._handles.append(_global.register_module_module_registration_hook(self._registered))

    def remove(self, listener: ModuleListener) -> None:
        """Tell it no more, and take the hooks away with the last one."""
        with self._lock:
            self._listeners = [entry for entry in self._listeners if entry[1] is not listener]
            if not self._listeners:
                for handle in self._handles:
                    handle.remove()
                self._handles = []

    def clear(self) -> None:
        """Tell nobody, and take the hooks away, whatever state this is in, also in a forked child: another thread may hold the lock."""
        handles, self._handles, self._listeners = self._handles, [], []
        self._lock = threading.RLock()
        for handle in handles:
            handle.remove()

    @contextlib.contextmanager
    def _same_numbers(self) -> Iterator[None]:
        """Hooks get the numbers they had the last time: a compiled function knows them by these, and would be compiled anew."""
        now = RemovableHandle.next_id
        if self._numbers is None:
            self._numbers = now
            yield
            return
        RemovableHandle.next_id = self._numbers
        try:
            yield
        finally:
            RemovableHandle.next_id = now

    def _here(self) -> list[ModuleListener]:
        """This thread's listeners; none while autograd computes a checkpointed part again."""
        if torch._C._current_graph_task_id() != -1 or not observable():  # noqa: SLF001  (-1: outside any backward pass)
            return []
        thread = threading.get_ident()
        return [listener for owner, listener in self._listeners if owner == thread]

    def _harmless(self, hook: Callable[..., None]) -> Callable[..., None]:
        """A hook whose own failure ends what listens, not the training."""

        def run(*given: Any) -> None:
            if tracing():
                return
            try:
                hook(*given)
            except Exception as error:  # noqa: BLE001
                for _, listener in self._listeners:
                    with contextlib.suppress(Exception):
                        listener.failed(error)

        return run

    def _before(self, module: nn.Module, args: Any) -> None:
        listeners, board = self._here(), switchboard()
        if board.aside and module is board.aside[-1]:
            # It ended with an exception before, or nobody would call it again.
            board.aside.clear()
            board.resume()
        # While the mode is set aside for a call, its inner calls are none of ours either.
        if board.aside:
            return
        training = torch.is_grad_enabled()
        for listener in listeners:
            quietly(
                listener, listener.entered if training else listener.aside, ModuleCall(module, args)
            )
        unwelcome = not measurable() or (bool(listeners) and _sees_modes(module))
        if unwelcome and board.suspend():
            board.aside.append(module)

    def _after(self, module: nn.Module, args: Any, *rest: Any) -> None:
        board = switchboard()
        if board.aside:
            if module is not board.aside[-1]:
                return
            board.aside.pop()
            board.resume()
        listeners, training = self._here(), torch.is_grad_enabled()
        kwargs, output = rest if len(rest) > 1 else (keywords(module), *rest)
        for listener in listeners:
            back = listener.left if training else listener.answered
            quietly(listener, back, ModuleCall(module, args, kwargs, output))

    def _registered(self, *_registration: object) -> None:
        """A module was put into another: `torch.export` begins with that, and strictly refuses a process that has hooks."""
        if tracing() and not inlined():
            for _, listener in self._listeners:
                with contextlib.suppress(Exception):
                    listener.exported()


def keywords(module: nn.Module) -> dict[str, Any]:
    """What a module is being called with by name, where torch does not tell hooks: they are in the frame that calls them."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    for _ in range(_NEAR):
        if frame is None:
            return {}
        if frame.f_code.co_name == "_call_impl" and frame.f_locals.get("self") is module:
            return dict(frame.f_locals.get("kwargs", {}))
        frame = frame.f_back
    return {}


def _sees_modes(module: nn.Module) -> bool:
    """Whether it computes differently under a mode.

    Without gradients, transformers and attention take PyTorch's fused path, but never under a function mode. Such a call is no
    training, so the mode steps aside; not for what has no parameters, such as a loss.
    """
    if not torch.is_grad_enabled():
        return next(parameters_in(module), None) is not None
    fused = (nn.TransformerEncoder, nn.TransformerEncoderLayer, nn.MultiheadAttention)
    return isinstance(module, fused) and not module.training


HOOKS = _Hooks()
