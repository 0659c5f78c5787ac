"""What a loss is added up from, as far as its graph shows: parts with a path to something that is trained, and parts without."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from tb_lossdiag.collect.check_up.source import operation

_SUMS = ("Add", "Sub", "Rsub", "Stack", "Cat")
_SCALING = (
    "Mul", "Div", "Mean", "Sum", "Neg", "Clone", "ToCopy", "View", "Squeeze", "Unsqueeze", "Reshape",
)  # fmt: skip
"""A sum goes through them part by part, where one side is no number of the graph's."""
_MOST = 64


def attached_addends(root: object) -> int:
    """The parts with a path of what `backward()` begins from, where others have none; 0 where none is without.

    >>> import torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> attached_addends(x.exp().sum() + x.sin().sum() + x.detach().sum()), attached_addends(x.exp().sum())
    (2, 0)
    """
    waiting: list[Any] = [root.grad_fn] if isinstance(root, Tensor) and root.grad_fn else []
    attached = cut = seen = 0
    while waiting and seen < _MOST:
        node, seen = waiting.pop(), seen + 1
        before = [other for other, _ in node.next_functions]
        known = [other for other in before if other is not None]
        name = operation(node)
        if name in _SUMS and known:
            cut += len(before) - len(known)
            waiting += known
        elif name in _SCALING and len(known) == 1:
            waiting += known
        else:
            attached += 1
    return attached if cut and not waiting else 0
