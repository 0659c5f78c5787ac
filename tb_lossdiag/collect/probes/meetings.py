"""Where the samples of a batch meet in a forward pass: by module, and by what is called in it."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tb_lossdiag.collect.check_up.model.inputs import tensors_in
from tb_lossdiag.collect.check_up.values import is_real
from tb_lossdiag.collect.probes.dropped import forgotten, stranger
from tb_lossdiag.quantities import Mixing

_SOFTMAX = frozenset({"softmax", "log_softmax", "softmin", "gumbel_softmax"})
_NORMS = frozenset({"std", "var", "std_mean", "var_mean", "norm", "normalize", "vector_norm"})
_SUMS = (
    "mean sum amax amin max min median logsumexp prod cumsum cumprod sort argsort topk unique flip roll scatter scatter_ scatter_add "
    "scatter_add_ scatter_reduce index_add index_add_ index_copy index_put index_put_ index_select gather cdist batch_norm bincount "
    "quantile repeat_interleave cov corrcoef __setitem__ einsum"
)
"""What sums, gathers or compares; along the samples it is meant."""
_TOGETHER = frozenset(_SUMS.split())
_JOINED = frozenset({"cat", "concat", "hstack", "vstack", "stack"})
"""A spread over the samples that is put beside them, as a discriminator's is, normalises nothing."""
_ORDER = (Mixing.SOFTMAX, Mixing.ATTENTION, Mixing.RECURRENT, Mixing.NORMALISATION, Mixing.MEANT)
_CHANGED = 1e-3
"""Of the spread over samples: more than rounding."""


@dataclass
class ModuleStep:
    """One call of a module.

    Attributes:
        name: of the module.
        module: itself.
        given: float[N]: a number for each sample of what it was given; None where it has none.
        made: the same of what it returned.
        marks: how samples may have met in its own code.
    """

    name: str
    module: nn.Module
    given: Tensor | None = None
    made: Tensor | None = None
    marks: set[Mixing] = field(default_factory=set)


class Meetings(TorchFunctionMode):
    """Is told of a copy's calls.

    Attributes:
        calls: those that have returned, in that order.
        modules: the ids of those that belong to the copy.
        remembers: whether the pass changed a buffer, although in eval(): a memory of what it was given.
    """

    def __init__(self, size: int = 0, dim: int = 0) -> None:
        """Look for samples along an axis of this size, which is this dimension where several have it."""
        super().__init__()
        self._size, self._dim = size, dim
        self._stack: list[ModuleStep] = []
        self.calls: list[ModuleStep] = []
        self.modules: set[int] = set()
        self._untold = 0
        self._strangers: list[weakref.ref[nn.Module]] = []
        self.remembers = False

    @property
    def forgotten(self) -> int:
        """Calls of dropout that drop because nobody told them the mode, or by modules that were made in the pass and are gone."""
        return self._untold + sum(each() is None for each in self._strangers)

    def call(self, name: str, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Call a module of the copy."""
        step = ModuleStep(name, module)
        if self._size:
            step.given = self._numbers([*tensors_in(args), *tensors_in(kwargs)])
            if (mark := _layer(module, args, kwargs, self._size)) is not None:
                step.marks.add(mark)
        self._stack.append(step)
        try:
            output = module.forward(*args, **kwargs)
        finally:
            self._stack.pop()
        if self._size:
            step.made = self._numbers(list(tensors_in(output)))
            self.calls.append(step)
        return output

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function; note how samples may meet in it."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if "dropout" in name or name == "scaled_dot_product_attention":
            self._untold += forgotten(name, args, kwargs)
            if (module := stranger(kwargs, self.modules)) is not None:
                self._strangers.append(weakref.ref(module))
        if self._size and self._stack:
            self._note(name, _mark(name, args, kwargs, result, self._size))
        return result

    def _note(self, name: str, mark: Mixing | None) -> None:
        marks = self._stack[-1].marks
        if mark is not None:
            marks.add(mark)
        if name in _JOINED and Mixing.NORMALISATION in marks:
            marks.remove(Mixing.NORMALISATION)
            marks.add(Mixing.MEANT)

    def _numbers(self, tensors: Sequence[Tensor]) -> Tensor | None:
        with torch._C.DisableTorchFunction():  # noqa: SLF001
            each = [n for t in tensors if (n := _per_sample(t, self._size, self._dim)) is not None]
            return torch.stack(each).sum(0) if each else None


def _per_sample(tensor: Tensor, size: int, dim: int) -> Tensor | None:
    """float[N]: a weighted sum of each sample's elements, unlike for any two that differ."""
    if tensor.is_complex() or not tensor.numel():
        return None
    places = [d for d in (dim, *range(tensor.dim())) if d < tensor.dim()]
    axis = next((d for d in places if tensor.shape[d] == size), None)
    if axis is None and (not tensor.dim() or tensor.shape[0] % size):
        return None
    flat = (tensor if axis is None else tensor.movedim(axis, 0)).reshape(size, -1).float()
    return flat @ torch.linspace(0.5, 1.5, flat.shape[1], device=flat.device)


def _mark(name: str, args: Any, kwargs: Any, result: Any, size: int) -> Mixing | None:
    """How a function lets samples meet, if it does."""
    given = next(tensors_in(args), None)
    if given is None:
        return None
    if name == "scaled_dot_product_attention" and given.dim() > 2 and given.shape[-2] == size:  # noqa: PLR2004
        return Mixing.ATTENTION if given.shape[0] > 1 else Mixing.MEANT
    if any(_paired(t, size) for t in (given, result) if isinstance(t, Tensor)):
        return Mixing.MEANT
    over = _over(name, args, kwargs, given, size)
    if name in _SOFTMAX:
        return Mixing.SOFTMAX if over else None
    if name in _NORMS:
        return Mixing.NORMALISATION if over else None
    return Mixing.MEANT if name in _TOGETHER and over else None


def _paired(tensor: Tensor, size: int) -> bool:
    return sum(length == size for length in tensor.shape) > 1


def _over(name: str, args: Any, kwargs: Any, given: Tensor, size: int) -> bool:
    """Whether it works along an axis of this size."""
    dim = kwargs.get("dim", kwargs.get("axis"))
    if dim is None and name not in {"normalize", "norm", "vector_norm", "cat", "concat"}:
        dim = args[1] if len(args) > 1 and not isinstance(args[1], Tensor) else None
    elif dim is None and len(args) > 2:  # noqa: PLR2004
        dim = args[2]
    if dim is None and name in _SOFTMAX:
        dim = 0 if given.dim() in {0, 1, 3} else 1  # torch's own choice
    if dim is None and name == "normalize":
        dim = 1
    if dim is None:
        return any(length == size for length in given.shape)
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    return any(
        isinstance(d, int) and -given.dim() <= d < given.dim() and given.shape[d] == size
        for d in dims
    )


def _layer(module: nn.Module, args: Any, kwargs: Any, size: int) -> Mixing | None:
    """Whether a layer takes the samples for time, or for the places of a sequence; a single sequence may be just that."""
    given = next((t for t in tensors_in((args, kwargs)) if is_real(t)), None)
    recurrent = isinstance(module, nn.RNNBase)
    attention = isinstance(
        module, (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    )
    if given is None or not (recurrent or attention):
        return None
    inner = getattr(module, "self_attn", module)
    along = 1 if getattr(inner, "batch_first", False) and given.dim() > 2 else 0  # noqa: PLR2004
    if given.shape[along] != size:
        return None
    if given.dim() < 3 or given.shape[1 - along] == 1:  # noqa: PLR2004
        return Mixing.MEANT
    return Mixing.RECURRENT if recurrent else Mixing.ATTENTION


def first_meeting(
    before: Sequence[ModuleStep], after: Sequence[ModuleStep], kept: Tensor
) -> tuple[str, Mixing]:
    """(the innermost module that was given the same of the kept samples and made something else of them, how they met in it)."""
    for old, new in zip(before, after, strict=False):
        if old.name != new.name:
            break
        if not _differ(old.given, new.given, kept) and _differ(old.made, new.made, kept):
            marks = old.marks | new.marks
            return new.name, next((m for m in _ORDER if m in marks), Mixing.UNKNOWN)
    return "", Mixing.UNKNOWN


def _differ(one: Tensor | None, other: Tensor | None, kept: Tensor) -> bool:
    if one is None or other is None:
        return False
    scale = one.std().clamp_min(1e-30)
    return bool((one - other)[kept].abs().median() > _CHANGED * scale)
