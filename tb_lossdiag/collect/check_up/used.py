"""Gradients that a step has already used, and changes of them."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.values import Value
from tb_lossdiag.collect.state.parameters import norms


class Used:
    """The gradients the step before has used, until they are reset or the first backward begins; keeps none alive."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        grads = [p.grad for p in parameters if p.grad is not None and address(p.grad)]
        self._known = {address(grad): weakref.ref(grad) for grad in grads}
        self._owners = [
            (weakref.ref(p), weakref.ref(p.grad)) for p in parameters if p.grad is not None
        ]
        self._norms: dict[int, Tensor] = {}
        self._factor: Tensor | None = None
        self._kept: Tensor | None = None
        self.existed = bool(self._owners)
        self.reset = False

    def replaced(self) -> bool:
        """Whether any of them was set to None or to another tensor."""
        pairs = ((parameter(), grad()) for parameter, grad in self._owners)
        return any(p is not None and p.grad is not grad for p, grad in pairs)

    def touched(self, tensors: Sequence[object]) -> list[Tensor]:
        """Those among these tensors that share memory with a used gradient."""
        return [t for t in tensors if isinstance(t, Tensor) and self._is_used(t)]

    def _is_used(self, tensor: Tensor) -> bool:
        known = self._known.get(address(tensor))
        grad = None if known is None else known()
        return grad is not None and address(grad) == address(tensor)

    def before_change(self, tensors: Sequence[Tensor]) -> None:
        """Note the norms of those that weren't changed yet."""
        new = [t for t in tensors if address(t) not in self._norms]
        if new:
            self._norms |= zip(map(address, new), norms(new).unbind(), strict=True)

    def after_change(self, tensors: Sequence[Tensor]) -> None:
        """Take the smallest factor by which a norm has changed; a change to zero is a reset."""
        before = torch.stack([self._norms[address(t)] for t in tensors])
        after = norms(tensors).to(before.device)
        factor = torch.where((before > 0) & (after > 0), after / before, 1.0).min()
        self._factor = factor if self._factor is None else torch.minimum(self._factor, factor)
        kept = (after > 0).any().float()
        self._kept = kept if self._kept is None else torch.maximum(self._kept, kept)

    def forget(self) -> None:
        """They are used no more."""
        self._known, self._owners, self._norms = {}, [], {}

    def clipped(self) -> Value:
        """1 if any was scaled or clamped after use and is not zero, else 0."""
        return 0.0 if self._kept is None else self._kept

    def factor(self) -> Value:
        """Smallest factor of a change after use."""
        return 1.0 if self._factor is None else self._factor


def address(tensor: Tensor) -> int:
    """Where its memory begins: the same for `grad` and `grad.data`; 0 for what has no plain memory."""
    return tensor.data_ptr() if tensor.layout is torch.strided and tensor.numel() else 0
