"""What plain operations have done since the last backward pass: enough to read a loss that was written with them."""

from __future__ import annotations

import weakref
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from tb_lossdiag.collect.check_up.call_site import call_site
from tb_lossdiag.collect.check_up.functions import PLAIN
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.source import node_id

_MOST = 256
"""Operations that are remembered."""
_ELEMENTS = 2**23
"""Elements that they may keep from being freed: 32 MB of single precision."""
_PLAIN_TYPES = (Tensor, nn.Parameter)


@dataclass(frozen=True, eq=False)
class Operand:
    """A tensor that went into an operation or came out of it, without its graph.

    Attributes:
        tensor: its values; a copy where there is only one.
        version: of its memory then; another one now says that it was changed in place.
        grad: whether it required a gradient.
        leaf: whether no recorded operation made it.
        node: sequence number of its graph node; None without one.
        made_by: the operation on the tape that made it, if one did.
    """

    tensor: Tensor
    version: int
    grad: bool
    leaf: bool
    node: int | None
    made_by: Operation | None = None

    @property
    def intact(self) -> bool:
        """Whether it still holds what it held."""
        return self.tensor._version == self.version  # noqa: SLF001

    def alike(self, tensor: Tensor) -> Operand:
        """Other numbers of the same origin: some of them, or in another order."""
        return replace(self, tensor=tensor, version=tensor._version)  # noqa: SLF001


@dataclass(frozen=True, eq=False)
class Operation:
    """One of them.

    Attributes:
        name: as in `torch`, one name for all its spellings.
        operands: its tensors, those inside a tuple or list as well.
        numbers: its plain numbers.
        result: what it made.
        site: file and line of the call, where it made a single number; else nothing.
    """

    name: str
    operands: tuple[Operand, ...]
    numbers: tuple[float, ...]
    result: Operand
    site: tuple[str, int]

    @property
    def single(self) -> bool:
        """Whether it made one number."""
        return self.result.tensor.numel() == 1


class Tape:
    """The newest plain operations whose result requires a gradient. It keeps memory alive within bounds, and no graph."""

    def __init__(self) -> None:
        self._made: OrderedDict[int, tuple[weakref.ref[Tensor], Operation]] = OrderedDict()
        self._elements = 0
        self._ended = False

    def end(self) -> None:
        """A backward pass has begun: the next operation belongs to another one. Losses that were computed before may follow."""
        self._ended = True

    def note(self, call: FunctionCall) -> Operation | None:
        """An operation has returned; it is kept, unless it can't be followed."""
        # Of what was chosen, the numbers; their places can't learn.
        result = call.result[0] if isinstance(call.result, tuple) else call.result
        if not _followed(result) or not result.requires_grad or result.numel() > _ELEMENTS:
            return None
        if self._ended:
            self.clear()
        if result.numel() > 1 and any(result is given for given in call.args):
            # Changed in place: what it was before is gone.
            self._made.pop(id(result), None)
            return None
        parts = list(_parts((*call.args, *call.kwargs.values())))
        tensors = [part for part in parts if _followed(part)]
        if PLAIN[call.name] == "product" and not _contracts(tensors, result):
            return None
        numbers = tuple(float(p) for p in parts if type(p) in (int, float))
        operands = tuple(self._operand(tensor) for tensor in tensors)
        site = call_site() if result.numel() == 1 else ("", 0)
        made = Operation(PLAIN[call.name], operands, numbers, _operand(result, None), site)
        self._made.pop(id(result), None)
        self._made[id(result)] = weakref.ref(result), made
        self._elements += result.numel()
        while len(self._made) > _MOST or self._elements > _ELEMENTS:
            _, (_, oldest) = self._made.popitem(last=False)
            self._elements -= oldest.result.tensor.numel()
        return made

    def made(self, tensor: Tensor) -> Operation | None:
        """The operation that made this very tensor."""
        known, operation = self._made.get(id(tensor), (None, None))
        return operation if known is not None and known() is tensor else None

    def operand(self, tensor: Any) -> Operand | None:
        """A tensor as it stands now; None for what is none."""
        return self._operand(tensor) if _followed(tensor) else None

    def leading_to(self, roots: Sequence[Tensor], most: int) -> Iterator[Operation]:
        """What these tensors were computed with, the nearest first, each once; `most` in all."""
        return leading_to(filter(None, map(self.made, roots)), most)

    def _operand(self, tensor: Tensor) -> Operand:
        return _operand(tensor, self.made(tensor))

    def clear(self) -> None:
        """Forget all."""
        self._made, self._elements, self._ended = OrderedDict(), 0, False


def leading_to(ends: Iterable[Operation], most: int) -> Iterator[Operation]:
    """These operations and those before them, the nearest first, each once; `most` in all."""
    front = deque(ends)
    seen = set(map(id, front))
    for _ in range(most):
        if not front:
            return
        operation = front.popleft()
        yield operation
        for operand in operation.operands:
            made = operand.made_by
            if made is not None and id(made) not in seen:
                seen.add(id(made))
                front.append(made)


def behind(operand: Operand) -> list[Operation]:
    """What an operand was computed with, the nearest first."""
    return list(leading_to([] if operand.made_by is None else [operand.made_by], _MOST))


def _operand(tensor: Tensor, made_by: Operation | None) -> Operand:
    kept = tensor.detach()
    # A sum of losses is often added to in place; its single number costs nothing to copy.
    kept = kept.clone() if kept.numel() == 1 else kept
    leaf = tensor.requires_grad and tensor.grad_fn is None
    return Operand(kept, kept._version, tensor.requires_grad, leaf, node_id(tensor), made_by)  # noqa: SLF001


def _followed(value: Any) -> bool:
    # A subclass may mean anything by its operations.
    return type(value) in _PLAIN_TYPES and not value.is_sparse and value.numel() > 0


def _contracts(tensors: Sequence[Tensor], result: Tensor) -> bool:
    """Whether two tensors of one shape were multiplied element by element and added up; any other product is a layer's."""
    shapes = [[size for size in tensor.shape if size > 1] for tensor in tensors]
    left = sum(size > 1 for size in result.shape)
    return len(shapes) == 2 and shapes[0] == shapes[1] and left < len(shapes[0])  # noqa: PLR2004


def _parts(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from value[:_MOST]
        else:
            yield value
