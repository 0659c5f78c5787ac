"""Sees calls of torch functions while a check-up runs, and passes every one through unchanged."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from tb_lossdiag.collect.check_up.functions import KINDS, Kind
from tb_lossdiag.collect.state.tracing import tracing
from tb_lossdiag.collect.unseen import measurable, undispatched


class FunctionCall:
    """One call of a torch function, valid while listeners are told of it.

    Attributes:
        kind: what it does.
        name: the function's name.
        function: the function.
        args: positional arguments.
        kwargs: keyword arguments.
        result: what it returned; None before.
    """

    __slots__ = ("args", "function", "kind", "kwargs", "name", "result")

    def __init__(
        self, kind: Kind, name: str, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> None:
        self.kind, self.name, self.function = kind, name, function
        self.args, self.kwargs = args, kwargs
        self.result: Any = None

    def tensors(self) -> list[Any]:
        """What it changes: the first argument, or its elements for a function of many tensors."""
        first = self.args[0] if self.args else None
        return list(first) if isinstance(first, (list, tuple)) else [first]


class Fallible(Protocol):
    """Someone whose failures must stay its own."""

    def failed(self, error: Exception) -> None:
        """It has raised this; it won't be told of more."""


class Listener(Fallible, Protocol):
    """Someone who is told of calls. It runs without autograd and unseen by any mode."""

    def before(self, call: FunctionCall) -> None:
        """The function is about to be called."""

    def after(self, call: FunctionCall) -> None:
        """The function has returned `call.result`."""


_record: Callable[[bool], None] = torch._C._set_grad_enabled  # noqa: SLF001
_ONLY_AFTER = frozenset({Kind.PLAIN, Kind.ATTENTION})
"""Whose beginning nobody asks for: by far the most calls of a step."""


def quietly(listener: Fallible, act: Callable[[Any], None], what: Any) -> bool:
    """Tell a listener something; its own failure is its own. Returns whether it went well."""
    try:
        with torch._C.DisableTorchFunction(), undispatched():  # noqa: SLF001  (documented for subclasses' authors)
            recorded = torch.is_grad_enabled()
            _record(False)  # as `no_grad` does, at a third of its price
            try:
                act(what)
            finally:
                _record(recorded)
    except Exception as error:  # noqa: BLE001  (a measurement must never end a training)
        listener.failed(error)
        return False
    return True


class Switchboard(TorchFunctionMode):
    """The one mode of a thread, shared by all check-ups under way.

    Function modes are a stack, and leaving pops whatever is on top: a `with` block of the user's that ended while this one lay
    above it would pop this one and stay itself. So it enters only an empty stack (or one with nothing but the mode of
    `set_default_device`), leaves only from the top, and where another mode lies above it stays, passing calls through, until it can.

    Attributes:
        aside: the modules for whose calls it has stepped aside.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._inside = 0
        self.aside: list[Any] = []

    def add(self, listener: Listener) -> bool:
        """Tell this listener of calls from now on; False where the mode cannot be entered."""
        if not self._enter():
            return False
        self._listeners.append(listener)
        return True

    def remove(self, listener: Listener) -> None:
        """Tell it no more, and leave the stack with the last one."""
        self._listeners = [other for other in self._listeners if other is not listener]
        self.leave_if_idle()

    def others(self, listener: Listener) -> list[Listener]:
        """The other listeners."""
        return [other for other in self._listeners if other is not listener]

    def leave_if_idle(self) -> None:
        """Leave the stack if on top of it and nobody listens."""
        if not self._listeners:
            self.suspend()

    def clear(self) -> None:
        """Tell nobody, and leave the stack if on top of it, whatever state this is in."""
        self._listeners, self._inside, self.aside = [], 0, []
        count = torch._C._len_torch_function_stack()  # noqa: SLF001
        if count and torch._C._get_function_stack_at(count - 1) is self:  # noqa: SLF001
            self.__exit__(None, None, None)

    def suspend(self) -> bool:
        """Step aside for a call that behaves differently under any mode; whether `resume` must follow."""
        stack = _stack()
        on_top = not self._inside and bool(stack) and stack[-1] is self
        if on_top:
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        return on_top

    def resume(self) -> None:
        """Come back after `suspend`."""
        if self._listeners:
            self._enter()

    def _enter(self) -> bool:
        stack = _stack()
        if self._inside or any(mode is self for mode in stack):
            return True
        if any(mode is not _default_device() for mode in stack):
            return False
        self.__enter__()  # type: ignore[no-untyped-call]
        return True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function; tell listeners before and after if it is one that matters."""
        kwargs = kwargs or {}
        if tracing():
            return func(*args, **kwargs)
        call = None
        try:
            call = self._call(func, args, kwargs)
        except Exception as error:  # noqa: BLE001  (a measurement must never end a training)
            self._give_up(error)
        if call is None:
            return func(*args, **kwargs)
        told: list[Listener] = []
        self._inside += 1
        try:
            try:
                told = self._listeners
                if call.kind not in _ONLY_AFTER:
                    told = [it for it in told if quietly(it, it.before, call)]
            except Exception as error:  # noqa: BLE001
                self._give_up(error)
            result = call.result = func(*args, **kwargs)
            try:
                for listener in told:
                    quietly(listener, listener.after, call)
            except Exception as error:  # noqa: BLE001
                self._give_up(error)
            return result
        finally:
            self._inside = max(self._inside - 1, 0)  # `clear` may have come in between

    def _call(self, func: Any, args: Any, kwargs: Any) -> FunctionCall | None:
        """The call, if someone wants to be told of it."""
        name = getattr(func, "__name__", "")
        kind = KINDS.get(name)
        if kind is None or not self._listeners or not observable():
            return None
        if kind is Kind.LOSS and getattr(functional, name, None) is not func:
            return None
        if kind is Kind.EMPTY_CLIP and not _made_by(_CLIPS, 2):
            return None
        return FunctionCall(kind, name, func, args, kwargs)

    def _give_up(self, error: Exception) -> None:
        """Something of ours has failed beside the listeners: none of them sees all any more."""
        for listener in self._listeners:
            with contextlib.suppress(Exception):
                listener.failed(error)


_CLIPS = "torch.nn.utils.clip_grad"


def _made_by(module: str, above: int) -> bool:
    """Whether it is this module that calls who calls whoever asks, `above` frames up."""
    return sys._getframe(above + 1).f_globals.get("__name__") == module  # noqa: SLF001


def observable() -> bool:
    """Not where a program is written down, in a function transform (vmap, grad) or a CUDA graph under capture."""
    return (
        measurable()
        and not _transformed()
        and not (torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing())
    )


def _transformed() -> bool:
    peek = getattr(torch._C._functorch, "peek_interpreter_stack", None)  # noqa: SLF001
    return peek is not None and peek() is not None


def _default_device() -> Any:
    """The mode that `torch.set_default_device` keeps at the bottom of the stack; None without."""
    context = getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None)
    # The mode itself before torch 2.2, since then one for each thread.
    return (
        context
        if isinstance(context, TorchFunctionMode)
        else getattr(context, "device_context", None)
    )


def _stack() -> list[Any]:
    count = torch._C._len_torch_function_stack()  # noqa: SLF001
    return [torch._C._get_function_stack_at(index) for index in range(count)]  # noqa: SLF001


_THREAD = threading.local()


def switchboard() -> Switchboard:
    """This thread's."""
    board = getattr(_THREAD, "board", None)
    if board is None:
        board = _THREAD.board = Switchboard()
    return board


def clear() -> None:
    """Take this thread's mode away by the shortest way."""
    board = getattr(_THREAD, "board", None)
    if board is not None:
        board.clear()
