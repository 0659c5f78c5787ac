"""Which operation made a tensor, from its autograd graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from tb_lossdiag.quantities import Source

_SAME_VALUES = [
    "View",
    "UnsafeView",
    "Reshape",
    "ReshapeAlias",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Permute",
    "T",
    "ToCopy",
    "Clone",
    "Alias",
    "Expand",
    "Select",
    "Slice",
    "Split",
    "Unbind",
    "Swapaxes",
    "Swapdims",
    "Flatten",
    "Contiguous",
    "Detach",
    "Index",
    "Copy",
    "Identity",
    "Mt",
    "Unsafe_view",
]
_SOURCES = {
    **dict.fromkeys(
        ("Addmm", "Mm", "Linear", "Addmv", "Mv", "Convolution", "MkldnnLinear"), Source.LINEAR
    ),
    "Softmax": Source.SOFTMAX,
    "SafeSoftmax": Source.SOFTMAX,
    "LogSoftmax": Source.LOG_SOFTMAX,
    "Sigmoid": Source.SIGMOID,
    "Tanh": Source.TANH,
    "Relu": Source.RELU,
    "Exp": Source.POSITIVE,
    "Softplus": Source.POSITIVE,
}
_SCALING = ["Div", "Mul", "Add", "Clamp", "ClampMin", "ClampMax"]
"""What a hand-made normalisation does to its outputs before it takes their logarithm."""
_NORMALISING = ("Softmax", "SafeSoftmax", "LogSoftmax", "Sigmoid")
_SAMPLED = 65_536
"""Elements of a factor that are looked at."""
_FAR = 32
"""Nodes to walk at most."""


def source(made: Any) -> tuple[Source, str]:
    """What made a tensor, nodes that only reshape or cast left out, and that node's name ("" for a leaf).

    Args:
        made: the tensor's graph node; None for a leaf.
    """
    node = made
    for _ in range(_FAR):
        if node is None:
            return Source.LEAF, ""
        name = operation(node)
        if name == "AccumulateGrad":
            return Source.LEAF, ""
        if name not in _SAME_VALUES:
            return _named(node, name), name
        node = _first(node)
    return Source.OTHER, operation(node)


def past_reshaping(node: Any) -> Any:
    """The first node behind it that does more than to reshape or cast; None at a leaf."""
    return _past(node, _SAME_VALUES)


def dropped(made: Any) -> Source | None:
    """Where dropout is this node: what made the numbers of which some were left out; None else.

    It has a node of its own on accelerators. Elsewhere it is a product with a factor that is 0 here and one number above 1 there, which no
    mask (0 and 1) and no gate is.
    """
    node = _past(made, _SAME_VALUES)
    if node is None:
        return None
    by_itself = operation(node) == "NativeDropout"
    drops = by_itself or (
        operation(node) == "Mul" and _makes_up(getattr(node, "_saved_other", None))
    )
    return source(_first(node))[0] if drops else None


def _makes_up(factor: Any) -> bool:
    """Whether a factor leaves some numbers out and enlarges all others alike."""
    if not isinstance(factor, Tensor) or factor.requires_grad or factor.numel() < 2:  # noqa: PLR2004
        return False
    some = factor.detach().reshape(-1)[:_SAMPLED]
    largest = some.max()
    return bool((largest > 1) & ((some == 0) | (some == largest)).all() & (some == 0).any())


def source_before(made: Any) -> Source | None:
    """Where a softmax, its logarithm or a sigmoid is this node: what made the numbers that it took; None else."""
    node = _past(made, _SAME_VALUES)
    if node is not None and operation(node) == "Log":
        node = _past(_first(node), [*_SCALING, *_SAME_VALUES])
    if node is None or operation(node) not in _NORMALISING:
        return None
    inner = _past(_first(node), _SAME_VALUES)
    return Source.LEAF if inner is None else _named(inner, operation(inner))


def _past(node: Any, names: Sequence[str]) -> Any:
    """The first node behind it that is none of these; None at a leaf, or where it is far."""
    for _ in range(_FAR):
        if node is None or operation(node) == "AccumulateGrad":
            return None
        if operation(node) not in names:
            return node
        node = _first(node)
    return None


def operation(node: Any) -> str:
    """A node's name without namespace and "Backward0"."""
    name: str = node.name().rpartition("::")[2]
    return name.rstrip("0123456789").removesuffix("Backward")


def _named(node: Any, name: str) -> Source:
    if name == "Add" and _is_biased_product(node):
        return Source.LINEAR
    if name == "Log":
        made = _scaled(_first(node))
        return {Source.SOFTMAX: Source.LOG_SOFTMAX, Source.RELU: Source.LOG_RELU}.get(
            made, Source.OTHER
        )
    return _SOURCES.get(name, Source.OTHER)


def _scaled(node: Any) -> Source:
    """What made it, whatever scaled, shifted or clamped it since."""
    for _ in range(_FAR):
        name = "" if node is None else operation(node)
        if name not in _SCALING and name not in _SAME_VALUES:
            return _SOURCES.get(name, Source.OTHER)
        node = _first(node)
    return Source.OTHER


def _is_biased_product(node: Any) -> bool:
    """A linear layer over a non-contiguous input is a product plus its bias."""
    operands = [operand for operand, _ in node.next_functions if operand is not None]
    names = []
    for operand in operands:
        inner = operand
        while inner is not None and operation(inner) in _SAME_VALUES:
            inner = _first(inner)
        names.append(operation(inner) if inner is not None else "")
    return "AccumulateGrad" in names and any(_SOURCES.get(n) is Source.LINEAR for n in names)


def _first(node: Any) -> Any:
    return next((operand for operand, _ in node.next_functions if operand is not None), None)


def node_id(tensor: Tensor) -> int | None:
    """The sequence number of the node that made a tensor: names a node without keeping its graph alive."""
    return None if tensor.grad_fn is None else int(tensor.grad_fn._sequence_nr())  # noqa: SLF001


def found(roots: list[Tensor], number: int | None) -> Any:
    """The node with this sequence number in the graph of these tensors; None without one."""
    front: list[Any] = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen: set[Any] = set()
    while front and number is not None:
        node = front.pop()
        key = int(node._sequence_nr())  # noqa: SLF001
        if key == number and operation(node) != "AccumulateGrad":
            return node
        if node not in seen and key > number:
            seen.add(node)
            front.extend(operand for operand, _ in node.next_functions if operand is not None)
    return None


def reached(roots: list[Tensor], wanted: set[int]) -> dict[int, Any]:
    """The nodes with these sequence numbers that take part in the backward pass of these tensors.

    Numbers grow in the order of creation, so the walk leaves out what is older than all that is wanted.
    """
    oldest = min(wanted, default=0)
    found: dict[int, Any] = {}
    seen: set[Any] = set()
    front: list[Any] = [root.grad_fn for root in roots if root.grad_fn is not None]
    while front and found.keys() != wanted:
        node = front.pop()
        key = int(node._sequence_nr())  # noqa: SLF001
        if node in seen or key < oldest:
            continue
        seen.add(node)
        if key in wanted:
            found[key] = node
        front.extend(operand for operand, _ in node.next_functions if operand is not None)
    return found
