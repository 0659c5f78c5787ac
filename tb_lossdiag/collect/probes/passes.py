"""A forward pass of a copy: outside the user's modes and hooks, without gradients or warnings, as the training's pass was cast."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.values import is_real
from tb_lossdiag.collect.probes.copies import copied
from tb_lossdiag.collect.probes.meetings import Meetings
from tb_lossdiag.collect.probes.survey import Survey
from tb_lossdiag.collect.unseen import undispatched


class Raised(Exception):  # noqa: N818  (a reason, not an error)
    """A copy could not be made, or its forward pass raised."""


def answer(root: nn.Module, found: Survey, given: Arguments, meetings: Meetings) -> list[Tensor]:
    """The real tensors, not of one number alone, that a new copy of the model returns in eval().

    Args:
        root: the model.
        found: what it holds.
        given: its arguments; the copy may change them.
        meetings: is told what happens.

    Raises:
        Raised: the copy raised.
    """
    output, _ = _passed(root, found, given, meetings, training=False)
    return [tensor for tensor in _real(output) if tensor.dim()]


def trained(root: nn.Module, found: Survey, given: Arguments, meetings: Meetings) -> list[Tensor]:
    """All real tensors that a new copy returns in the modes of the training, and its real buffers after that; arguments as those of `answer`.

    Raises:
        Raised: the copy raised.
    """
    output, new = _passed(root, found, given, meetings, training=True)
    return [*_real(output), *_real(list(new.buffers()))]


def _real(output: Any) -> list[Tensor]:
    return [tensor.detach() for tensor in tensors_in(output) if is_real(tensor)]


def _passed(
    root: nn.Module, found: Survey, given: Arguments, meetings: Meetings, *, training: bool
) -> tuple[Any, nn.Module]:
    """(what a new copy returned, the copy)."""
    try:
        with torch.no_grad(), _quiet(), undispatched(), _modes_apart():
            new, modules = copied(root, found, training=training)
            before = _buffers(new)
            with _told(modules, meetings), cast(given), meetings:
                output = new(*given.args, **given.kwargs)
            meetings.remembers = _buffers(new) != before
    except Exception as error:  # a user's forward may raise anything
        raise Raised(f"{type(error).__name__}: {error}"[:200]) from error
    return output, new


def _buffers(model: nn.Module) -> list[tuple[str, int, int]]:
    """Which they are, and how often each was changed."""
    return [(n, id(b), b._version) for n, b in model.named_buffers() if not b.is_inference()]  # noqa: SLF001


@contextlib.contextmanager
def _told(modules: Sequence[tuple[str, nn.Module]], meetings: Meetings) -> Iterator[None]:
    """Calls of the copy's modules go past all hooks, its own and process-wide ones, and are told to `meetings`.

    `nn.Module.__call__` asks the instance for `_call_impl` first.
    """
    meetings.modules = {id(module) for _, module in modules}
    for name, module in modules:
        vars(module)["_call_impl"] = functools.partial(meetings.call, name, module)
    try:
        yield
    finally:  # else a ring of references would keep the copy until the collector comes by
        for _, module in modules:
            vars(module).pop("_call_impl", None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _modes_apart() -> Iterator[None]:
    """Without the user's function modes, except the device that all is made on by default."""
    apart: list[Any] = []
    try:
        while torch._C._len_torch_function_stack():  # noqa: SLF001
            apart.append(torch._C._pop_torch_function_stack())  # noqa: SLF001
        for mode in apart:
            if type(mode).__name__ == "DeviceContext":
                torch._C._push_on_torch_function_stack(mode)  # noqa: SLF001
        yield
    finally:
        while torch._C._len_torch_function_stack():  # noqa: SLF001
            torch._C._pop_torch_function_stack()  # noqa: SLF001
        for mode in reversed(apart):
            torch._C._push_on_torch_function_stack(mode)  # noqa: SLF001


@contextlib.contextmanager
def cast(given: Arguments) -> Iterator[None]:
    """Autocast as it was when these were given."""
    on = dict(given.casts)
    with contextlib.ExitStack() as stack:
        for kind in sorted({tensor.device.type for tensor in given.tensors()} | set(on)):
            if kind in on:
                stack.enter_context(torch.autocast(kind, dtype=on[kind], cache_enabled=False))
            elif kind in {"cpu", "cuda"}:
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield
