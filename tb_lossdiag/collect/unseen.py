"""Keeps what is computed here out of the user's modes, caches and counters."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.autograd import forward_ad, profiler
from torch.utils import _python_dispatch

_NAME = "Loss Doctor"
"""The one row that a profiler has of all that is done here."""
_THREAD = threading.local()
_NOTHING = contextlib.nullcontext()
overriding: Callable[[], int] = torch._C._len_torch_function_stack  # noqa: SLF001
"""How many modes of functions there are,"""
dispatching: Callable[[], int] = torch._C._len_torch_dispatch_stack  # noqa: SLF001
"""and how many at the dispatcher."""
_cast: Callable[[], bool] = getattr(
    torch._C,  # noqa: SLF001
    "_is_any_autocast_enabled",
    lambda: torch.is_autocast_enabled() or torch.is_autocast_cpu_enabled(),
)
_early: Callable[[], int] = getattr(
    torch._ops,  # noqa: SLF001
    "_len_torch_dispatch_stack_pre_dispatch",
    lambda: 0,
)
"""How many modes stand before the dispatcher, as while a program is exported."""
_WRITING = frozenset({"FakeTensorMode", "ProxyTorchDispatchMode", "FunctionalTensorMode"})
"""Modes under which a program is written down, not run."""


def looked_at() -> bool:
    """Whether anything of the user's would see what is computed now."""
    return bool(overriding() or dispatching() or profiler._is_profiler_enabled)  # noqa: SLF001


def unseen() -> AbstractContextManager[None]:
    """What is done inside is seen by no mode and no profiler, and leaves nothing in autocast's cache.

    Costs next to nothing where nobody looks.
    """
    try:
        return _hidden(undispatched()) if looked_at() else _NOTHING
    except Exception:  # noqa: BLE001  (it stands around what checks arguments: nothing else of it may raise)
        return _NOTHING


def undispatched() -> AbstractContextManager[None]:
    """The same for work that hides from function modes itself."""
    return _undispatched() if _in_the_way() else _NOTHING


def real() -> bool:
    """Whether tensors have values now: not in the user's `FakeTensorMode` and its like, which run a program without computing."""
    return not (dispatching() and active(_WRITING))


def measurable() -> bool:
    """The same for a single call, which may as well be written down by `torch.jit.trace`, `make_fx` or `torch.export`."""
    return real() and not (torch._C._get_tracing_state() is not None or _early())  # noqa: SLF001


def active(names: frozenset[str]) -> bool:
    """Whether a dispatch mode of one of these classes, or of one derived from it, is active."""
    modes = (torch._C._get_dispatch_stack_at(index) for index in range(dispatching()))  # noqa: SLF001
    return any(kind.__name__ in names for mode in modes for kind in type(mode).__mro__)


@contextlib.contextmanager
def _hidden(rest: AbstractContextManager[None]) -> Iterator[None]:
    with torch._C.DisableTorchFunction(), rest:  # noqa: SLF001  (documented for subclasses' authors)
        yield


def _in_the_way() -> bool:
    """Whether anything but function modes would take notice, and does not look away already."""
    there = dispatching() or _cast() or _profiled() or _forward() >= 0
    return bool(there) and not getattr(_THREAD, "hidden", False)


@contextlib.contextmanager
def _undispatched() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        _THREAD.hidden = True
        stack.callback(setattr, _THREAD, "hidden", False)
        if dispatching():
            stack.enter_context(_python_dispatch._disable_current_modes())  # noqa: SLF001
        if _profiled():
            stack.enter_context(profiler.record_function(_NAME))
            _switch(stack, torch._C._autograd._enable_record_function)  # noqa: SLF001
        if torch.is_autocast_cache_enabled():
            _switch(stack, torch.set_autocast_cache_enabled)
        if _forward() >= 0:
            _switch(stack, torch._C._set_fwd_grad_enabled)  # noqa: SLF001
        yield


def _switch(stack: contextlib.ExitStack, switch: Callable[[bool], Any]) -> None:
    """Off, and on again in the end."""
    switch(False)
    stack.callback(switch, True)


def _profiled() -> bool:
    return bool(profiler._is_profiler_enabled)  # noqa: SLF001


def _forward() -> int:
    """The level of forward-mode differentiation, -1 without."""
    return int(getattr(forward_ad, "_current_level", -1))
