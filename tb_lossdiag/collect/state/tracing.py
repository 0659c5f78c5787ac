"""Keeps what is recorded out of compiled graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

tracing: Callable[[], bool] = getattr(torch.compiler, "is_compiling", lambda: False)
"""Whether `torch.compile` is tracing the caller. There the answer is a constant: a hook that returns then leaves nothing in the graph,
and a module's forward pass stays whole."""
inlined: Callable[[], bool] = getattr(torch.compiler, "is_dynamo_compiling", lambda: False)
"""Whether the caller itself is being traced; `tracing` is true as well in plain Python that is run in order to trace something else."""
untraced: Callable[[Any], Any] = getattr(torch.compiler, "disable", lambda work: work)
"""Makes a function run as it is where its caller is compiled."""


class Told:
    """Who is told at a hook; that may change while it stands, even while the hooks of a step are run.

    Attributes:
        work: is called.
    """

    __slots__ = ("__weakref__", "work")

    def __init__(self, work: Callable[..., Any]) -> None:
        self.work = work


def untraced_hook(told: Told, alive: object = None) -> Callable[..., Any]:
    """Makes a hook of an optimizer's step run as it is where that step is compiled. PyTorch breaks the graph there anyway.

    Something may be kept alive for as long as the hook stands.

    PyTorch's own wrapper sets the compiler aside and back at each call, 10 µs in the midst of a training; this one does so only where a
    compiler is set, if PyTorch tells.
    """

    def work(*given: Any) -> Any:
        return told.work(*given)

    work.alive = alive  # type: ignore[attr-defined]
    wrapped: Callable[..., Any] = untraced(work)
    try:
        from torch._C._dynamo.eval_frame import get_eval_frame_callback as compiler  # noqa: PLC0415
    except ImportError:
        return wrapped

    def plain(optimizer: Any, arguments: Any, named: Any) -> Any:
        if compiler() is None:
            return told.work(optimizer, arguments, named)
        return wrapped(optimizer, arguments, named)

    plain._torchdynamo_disable = True  # type: ignore[attr-defined]  # noqa: SLF001
    return plain if _passed_over(plain) else wrapped


def _passed_over(function: Any) -> bool:
    """See to it that PyTorch never compiles this function's own frame; whether that can be done."""
    try:
        from torch._C._dynamo import eval_frame  # noqa: PLC0415

        compiling: Any = eval_frame
        if hasattr(compiling, "set_code_exec_strategy"):
            action = compiling._FrameAction  # noqa: SLF001
            how = compiling._FrameExecStrategy(action.SKIP, action.DEFAULT)  # noqa: SLF001
            compiling.set_code_exec_strategy(function.__code__, how)
        else:
            compiling.skip_code(function.__code__)
    except (ImportError, AttributeError, TypeError):
        return False
    return True
