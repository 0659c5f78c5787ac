"""Do documents of one row know each other? One is rewritten, and the outputs of those behind it are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.model.documents import counted, numbered, starts
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.probes.changes import change
from tb_lossdiag.collect.probes.future_leak import answered
from tb_lossdiag.collect.probes.probe import Inapplicable
from tb_lossdiag.collect.probes.session import Session
from tb_lossdiag.quantities import PROBE_DOCUMENT_CHANGE, PROBE_DOCUMENT_MOVED, Unprobed

_SHORTEST = 6
"""Places of a document that is looked at."""
_SEQUENCE = 2
_FLAGS = 2


class DocumentLeak:
    """The probe, for models that are told where the documents of a row begin."""

    ahead = True
    compares = True

    def __init__(self) -> None:
        self.done = False

    def run(self, session: Session) -> Facts:
        """Ask.

        Raises:
            Inapplicable: it is not told of documents, no row has two that are long enough, or nothing is returned for each place.
        """
        self.done = True
        found = two_documents([session.act(t) for t in session.given.tensors()])
        if found is None or not session.ahead:
            raise Inapplicable(Unprobed.ARGUMENTS)
        first, later = found
        before, after = answered(session, tuple(first.shape), _rewritten(first))
        return {
            PROBE_DOCUMENT_CHANGE: _changed(before, after, later),
            PROBE_DOCUMENT_MOVED: _changed(before, after, first),
        }


def two_documents(given: Sequence[Tensor]) -> tuple[Tensor, Tensor] | None:
    """(where the first document of each row is, where one behind it), bool[N, T] each; None where no row is known to have two.

    Args:
        given: the model's arguments.
    """
    tokens = next((t for t in given if tokens_like(t)), None)
    begins = None if tokens is None else starts(given, (tokens.shape[0], tokens.shape[1]))
    if begins is None:
        return None
    number = begins.long().cumsum(1)
    lengths = torch.zeros_like(number).scatter_add_(1, number - 1, torch.ones_like(number))
    long = (lengths >= _SHORTEST).gather(1, number - 1)
    first = (number == number.masked_fill(~long, number.shape[1] + 1).amin(1, keepdim=True)) & long
    last = (number == number.masked_fill(~long, 0).amax(1, keepdim=True)) & long & ~first
    both = last.any(1, keepdim=True)
    return (first & both, last) if bool(both.any()) else None


def tokens_like(tensor: Tensor) -> bool:
    """Whether these may be tokens: neither places nor numbers of documents, nor a mask."""
    if tensor.dim() != _SEQUENCE or tensor.dtype != torch.int64 or tensor.shape[1] < _SHORTEST:
        return False
    return not (counted(tensor) or numbered(tensor)) and tensor.unique().numel() > _FLAGS


def _rewritten(first: Tensor) -> Callable[[Tensor], Tensor]:
    """Within this document each token becomes another of its tokens, but for its ends, which may stand for a beginning and an end."""
    inner = first & first.roll(1, 1) & first.roll(-1, 1)
    inner[:, 0] = inner[:, -1] = False

    def act(tensor: Tensor) -> Tensor:
        if tensor.shape == inner.shape and tokens_like(tensor):
            for row, places in zip(tensor, inner, strict=True):
                kinds, which = row[places].unique(return_inverse=True)
                row[places] = kinds[(which + 1) % max(len(kinds), 1)]
        return tensor

    return act


def _changed(before: Tensor, after: Tensor, places: Tensor) -> float:
    one, other = before.flatten(0, 1), after.flatten(0, 1)
    return change(one, other, 0, places.flatten().to(one.device))
