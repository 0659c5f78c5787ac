"""Losses that were written with plain operations, found in what a backward pass starts from.

A loss counts only if the function it is taken for, of the tensors found, has the very value that was backpropagated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.loss.pieces import Expression
from tb_lossdiag.collect.check_up.loss.tape import Operation, Tape
from tb_lossdiag.collect.check_up.loss.written import Written
from tb_lossdiag.collect.check_up.loss.written_answers import answers
from tb_lossdiag.collect.check_up.loss.written_classes import cross_entropy
from tb_lossdiag.collect.check_up.loss.written_elements import (
    binary,
    distance,
    divergence,
    poisson,
)
from tb_lossdiag.collect.check_up.loss.written_overlap import overlap
from tb_lossdiag.collect.check_up.loss.written_residuals import residual
from tb_lossdiag.collect.check_up.loss.written_scores import cross_entropy_of_scores
from tb_lossdiag.collect.check_up.loss.written_triplets import cosine, triplet
from tb_lossdiag.collect.check_up.source import found

_KNOWN = (
    distance, binary, poisson, divergence, cross_entropy, cross_entropy_of_scores, answers, overlap, residual, triplet, cosine,
)  # fmt: skip
_SCALING = ("mul", "div")
_HALF = 0.5
_TERMS = 32
"""Single numbers that a loss is looked for in."""


def recognised(tape: Tape, roots: Sequence[Tensor]) -> Iterator[tuple[LossCall, tuple[str, int]]]:
    """The losses in the sums that these tensors are, and the lines that reduced them."""
    # Each with whether it was multiplied or divided on its way to the root.
    front = [(made, False) for root in roots if (made := tape.made(root)) is not None]
    seen: set[int] = set()
    for _ in range(_TERMS):
        if not front:
            return
        end, scaled = front.pop(0)
        if id(end) in seen or not end.single:
            continue
        seen.add(id(end))
        written = _read(Expression(end))
        if written is not None and scaled and written.reduction == "sum":
            # A sum that is divided later is no sum; by what it was meant to be divided can't be told.
            continue
        if written is not None:
            made = found(list(roots), written.predicted.node)
            yield written.call(end, made), end.site
        else:
            scaled |= _shares_out(end)
            front.extend((o.made_by, scaled) for o in end.operands if o.made_by is not None)


def _shares_out(end: Operation) -> bool:
    """Whether it may divide a sum by a number of samples: a plain factor down to a half, or a sign, does not."""
    kept = end.name == "mul" and end.numbers and all(abs(n) >= _HALF for n in end.numbers)
    return end.name in _SCALING and not kept


def _read(loss: Expression) -> Written | None:
    if not loss.usable:
        return None
    return next((written for known in _KNOWN if (written := known(loss)) is not None), None)
