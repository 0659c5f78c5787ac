"""The loss as `backward()` is called on it: a loop that a framework writes tells nobody else."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from tb_lossdiag.collect.state.gradient_versions import GradientVersions, representatives
from tb_lossdiag.collect.state.tracing import untraced
from tb_lossdiag.collect.unseen import real, unseen

_listeners: weakref.WeakSet[BackwardLoss] = weakref.WeakSet()
_inside = threading.local()
_plain: Callable[..., Any] = torch.autograd.backward


class BackwardLoss:
    """What was backpropagated into some parameters since it was last taken.

    Several passes of one step bring several: accumulated losses that were divided add up to their mean. A pass that left the
    parameters' gradients as they were is another model's; gradients that were dropped take their losses with them.

    Args:
        parameters: that an optimizer steps.
        scaler: the `torch.amp.GradScaler` whose scale the loss carries, or None.
    """

    def __init__(self, parameters: Iterable[Tensor], scaler: Any = None) -> None:
        self._some = representatives([p for p in parameters if p.requires_grad])
        self._scaler = scaler
        self._parts: list[Tensor] = []
        self._mark = GradientVersions(())
        self.begins: Callable[[], None] | None = None
        """Called before a backward pass of anything."""
        _listen(self)

    def take(self) -> list[Tensor]:
        """The losses, 0-d and on their device, one of each backward pass; they wait no longer."""
        parts, self._parts = self._parts, []
        return parts

    def scale(self) -> float:
        """That the loss of a step carries now."""
        scaler = self._scaler
        return 1.0 if scaler is None or not scaler.is_enabled() else float(scaler.get_scale())

    def close(self) -> None:
        """Hear no more."""
        _listeners.discard(self)
        _leave()

    def before(self) -> None:
        """A backward pass begins: gradients that were dropped since the last one are gone, and so are their losses."""
        if self.begins is not None:
            _quietly(self.begins)
        if self._parts and all(p.grad is None for p in self._some):
            self._parts = []
        self._mark = GradientVersions(self._some)

    def after(self, loss: Tensor, scaled: bool) -> None:
        """A backward pass of this loss has ended."""
        if not self._mark.outdated(self._some) and len(self._mark):
            return
        if scaled and self._scaler is not None:
            loss = loss / self._scaler.scale(torch.ones_like(loss))
        self._parts.append(loss)


def _listen(listener: BackwardLoss) -> None:
    global _plain  # noqa: PLW0603  (whoever replaced it before us is called by us)
    weakref.finalize(listener, _leave)  # first: what came last is called first
    _listeners.add(listener)
    if torch.autograd.backward is not _heard:
        _plain = torch.autograd.backward
        torch.autograd.backward = _heard


def _leave() -> None:
    """The function is torch's own again when nobody listens."""
    if not _listeners and torch.autograd.backward is _heard:
        torch.autograd.backward = _plain


def _loss(tensors: Any, given: Any) -> tuple[Tensor, bool] | None:
    """The number that is backpropagated, and whether it was just multiplied by a scale; None if it is no plain loss."""
    each = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)
    weights = given if isinstance(given, Sequence) else (given,)
    if any(weight is not None for weight in weights):
        return None
    with torch._C.DisableTorchFunction():  # noqa: SLF001  (documented for subclasses' authors)
        if not each or any(not _plain_values(t) or t.numel() != 1 for t in each):
            return None
        total = each[0].detach().as_subclass(Tensor).reshape(())
        for other in each[1:]:
            total = total + other.detach().as_subclass(Tensor).reshape(())
        return total.clone(), all(map(_scaled, each))


def _plain_values(tensor: Any) -> bool:
    """Whether it holds its values itself: a subclass does that adds methods (fastai's), none that dispatches (a sharded tensor)."""
    own = type(tensor)
    return issubclass(own, Tensor) and own.__torch_dispatch__ is Tensor.__torch_dispatch__


def _scaled(loss: Tensor) -> bool:
    """Whether its last operation was a multiplication by a single number on its device, as `GradScaler.scale` does."""
    made = loss.grad_fn
    if made is None or made.name() != "MulBackward0":
        return False
    other = getattr(made, "_saved_other", None)
    return isinstance(other, Tensor) and other.numel() == 1 and not other.requires_grad


def _ready(tensors: Any, given: Any) -> tuple[Tensor, bool] | None:
    """The loss of an outermost backward pass that really runs."""
    if not real() or isinstance(threading.current_thread(), threading._DummyThread):  # noqa: SLF001  (autograd's own threads)
        return None
    with unseen():
        return _loss(tensors, given)


def _quietly(work: Callable[..., Any], *given: Any) -> Any:
    """Hearing must not end a training."""
    try:
        return work(*given)
    except Exception:  # noqa: BLE001
        return None


def _each(name: str, *given: Any) -> None:
    with torch.no_grad(), unseen():
        for listener in tuple(_listeners):
            _quietly(getattr(listener, name), *given)


@untraced
@functools.wraps(torch.autograd.backward)
def _heard(tensors: Any, grad_tensors: Any = None, *rest: Any, **named: Any) -> Any:
    if getattr(_inside, "depth", 0):  # reentrant checkpointing calls it within a pass
        return _plain(tensors, grad_tensors, *rest, **named)
    loss = _quietly(_ready, tensors, grad_tensors)
    if loss is not None:
        _quietly(_each, "before")
    _inside.depth = 1
    try:
        result = _plain(tensors, grad_tensors, *rest, **named)
    finally:
        _inside.depth = 0
    if loss is not None:
        _quietly(_each, "after", *loss)
    return result
