"""What each term of the loss asks of the parameters: gradient norms and the angles between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.unseen import active
from tb_lossdiag.quantities import TERM_COSINE, TERM_GRADIENT_NORM, pair
from tb_lossdiag.records import Floats, Record

_USED_UP = frozenset({"_CachedTorchDispatchMode"})
"""What hands out the results that selective checkpointing has kept, each of them once."""
Graphs = Mapping[str, tuple[Tensor | None, float | Tensor]]
"""{term: (value that is part of a graph, weight)}; None for a value that is not."""


def check_at(at: object) -> list[Tensor]:
    """The tensors to take gradients at.

    Raises:
        TypeError: it is neither a tensor nor a sequence of tensors.
        ValueError: none of them is part of a graph.
    """
    given = [at] if isinstance(at, Tensor) else at
    if not isinstance(given, (list, tuple)) or not all(isinstance(t, Tensor) for t in given):
        raise TypeError(f"at: expected a tensor or a list of tensors, got {type(at).__name__}")
    useful = [tensor for tensor in given if tensor.requires_grad]
    if not useful:
        raise ValueError("at: none of the tensors has a gradient")
    return useful


def check_graph(terms: Mapping[str, Any]) -> Graphs:
    """Terms as given to `add_diagnostics`, with their graphs."""
    return {name: _split(value) for name, value in terms.items()}


def decompose(terms: Graphs, at: Sequence[Tensor]) -> Measurement:
    """Gradient norms of weight x term at some tensors, and pairwise cosines; `.grad` and the graph stay as they are.

    Args:
        terms: {name: (value, weight)} before `backward()`; a value of several elements counts with its mean.
        at: N tensors that the terms depend on: a shared representation, or parameters.

    Raises:
        RuntimeError: the graph is gone (`backward()` has freed it).
        OnlyOnceError: it is selectively checkpointed.
    """
    gradients = [_gradient(value, weight, at) for value, weight in terms.values()]
    with torch.no_grad():
        products = [_product(a, b, at[0]) for a in gradients for b in gradients]
    names = tuple(terms)

    def finish(arrays: Sequence[Floats]) -> list[Record]:
        gram = np.concatenate(arrays).reshape(len(names), len(names)).astype(np.float64)
        return _records(names, gram)

    return Measurement(products, finish)


class OnlyOnceError(RuntimeError):
    """A part of the graph can be computed again once only, and that is the training's."""


class _Again(TorchFunctionMode):
    """Sees what a backward pass computes again, which is no part of the training, and hides it from all other function modes.

    Raises:
        OnlyOnceError: a selectively checkpointed part is about to be; nothing has happened to it yet.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if active(_USED_UP):
            raise OnlyOnceError
        with torch._C.DisableTorchFunction():  # noqa: SLF001
            return func(*args, **(kwargs or {}))


def _split(value: Any) -> tuple[Tensor | None, float | Tensor]:
    whole, weight = value if isinstance(value, tuple) else (value, 1.0)
    attached = isinstance(whole, Tensor) and whole.requires_grad
    return (whole if attached else None), weight


def _gradient(
    value: Tensor | None, weight: float | Tensor, at: Sequence[Tensor]
) -> list[Tensor | None]:
    if value is None:
        return [None] * len(at)
    with torch.enable_grad():
        root = value.mean()
    # `torch.autograd.grad` asks the modes itself, and would run without them then.
    with torch._C._EnableTorchFunction(), _Again():  # noqa: SLF001
        found: Sequence[Tensor | None] = torch.autograd.Variable._execution_engine.run_backward(  # noqa: SLF001
            (root,), (torch.ones_like(root),), True, False, tuple(at), allow_unreachable=True
        )
    factor = weight.detach() if isinstance(weight, Tensor) else weight
    with torch.no_grad():
        return [None if gradient is None else gradient * factor for gradient in found]


def _product(a: Sequence[Tensor | None], b: Sequence[Tensor | None], like: Tensor) -> Tensor:
    parts = [
        (x.detach().conj() * y.detach()).real.double().sum()
        for x, y in zip(a, b, strict=True)
        if x is not None and y is not None
    ]
    zero = torch.zeros((), dtype=torch.float64, device=like.device)
    return sum((part.to(like.device) for part in parts), zero)


def _records(names: tuple[str, ...], gram: np.ndarray[Any, np.dtype[np.float64]]) -> list[Record]:
    norms = np.sqrt(np.maximum(np.diag(gram), 0.0))
    found = [Record(TERM_GRADIENT_NORM, names, norms.astype(np.float32))]
    indices = list(combinations(range(len(names)), 2))
    if indices:
        pairs = tuple(pair(names[i], names[j]) for i, j in indices)
        cosines = [gram[i, j] / (norms[i] * norms[j]) for i, j in indices]
        found.append(Record(TERM_COSINE, pairs, np.array(cosines, np.float32)))
    return found
