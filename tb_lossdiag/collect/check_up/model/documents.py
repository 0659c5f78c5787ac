"""Where the documents of a packed row begin, as far as a model is told: by places that count anew, by numbers, by ends, or by a mask."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_ROWS = 2
"""Dimensions of a batch of sequences."""
_MASKS = (2, 3, 4)
"""Dimensions of a mask of all places against all."""
_FLAGS = 2
"""Different values of a mask or of two segments; documents are told by numbers only where there are more."""


def counted(sequence: Tensor) -> bool:
    """Whether these are places: each is the one before it plus one, or begins again at 0."""
    if not sequence.shape[1] > 1:
        return False
    return bool(((sequence.diff(dim=1) == 1) | (sequence[:, 1:] == 0)).all())


def numbered(sequence: Tensor) -> bool:
    """Whether these are numbers of documents, one after the other; 0 may stand for what is filled up at the end."""
    steps = sequence.diff(dim=1)
    rises = bool(((steps >= 0) | (sequence[:, 1:] == 0)).all() and (steps <= 1).all())
    return rises and sequence.unique().numel() > _FLAGS


def starts(given: Sequence[Tensor], shape: tuple[int, int]) -> Tensor | None:
    """Where documents begin, bool[N, T]; None where a model is not told that a row holds several.

    Places that go on through the whole row beside others that count anew (those of a word in its sentence, say) tell of no documents.

    Args:
        given: the model's arguments.
        shape: of its tokens.
    """
    rows = [_wide(t, shape) for t in given if _whole(t) and t.dim() == _ROWS and _fits(t, shape)]
    places = [t for t in rows if counted(t)]
    if any(bool((t.diff(dim=1) == 1).all()) for t in places):
        return None
    told = [_first(t == 0) for t in places]
    told += [_first(t.diff(dim=1, prepend=t[:, :1]) != 0) for t in rows if numbered(t)]
    told += [_at(t, shape) for t in given if _ends(t, shape)]
    told += [found for t in given if (found := _of_mask(t, shape)) is not None]
    return next((each for each in told if bool(each[:, 1:].any())), None)


def _whole(tensor: Tensor) -> bool:
    return tensor.dtype in {torch.int64, torch.int32}


def _fits(tensor: Tensor, shape: tuple[int, int]) -> bool:
    return tensor.shape[1] == shape[1] and tensor.shape[0] in {1, shape[0]}


def _wide(tensor: Tensor, shape: tuple[int, int]) -> Tensor:
    return tensor.detach().expand(shape)


def _first(begins: Tensor) -> Tensor:
    begins = begins.clone()
    begins[:, 0] = True
    return begins


def _ends(tensor: Tensor, shape: tuple[int, int]) -> bool:
    """Whether these are the ends of the documents of one long row, from 0 on."""
    if not (_whole(tensor) and tensor.dim() == 1 and len(tensor) > _FLAGS and shape[0] == 1):
        return False
    return bool(tensor[0] == 0 and tensor[-1] == shape[1] and (tensor.diff() > 0).all())


def _at(ends: Tensor, shape: tuple[int, int]) -> Tensor:
    begins = torch.zeros(shape, dtype=torch.bool, device=ends.device)
    begins[0, ends[:-1].long()] = True
    return begins


def _of_mask(tensor: Tensor, shape: tuple[int, int]) -> Tensor | None:
    """Places whose past is hidden from them, all of it, by a mask that shows each place itself; one over all heads alike."""
    if tensor.dim() not in _MASKS or tensor.shape[-2:] != (shape[1], shape[1]):
        return None
    mask = tensor.detach()
    mask = mask.reshape(-1, *mask.shape[-2:])[:: max(mask.numel() // (shape[1] ** 2 * shape[0]), 1)]
    shown = mask if mask.dtype == torch.bool else mask == 0
    if mask.dtype not in {torch.bool, torch.float32, torch.float16, torch.bfloat16}:
        return None
    itself = shown.diagonal(dim1=1, dim2=2)
    if not (bool(itself.all()) or (mask.dtype == torch.bool and not itself.any())):
        return None
    past = (shown == itself[:, :1, None]).tril(-1).any(2)
    return (~past).expand(shape) if len(past) in {1, shape[0]} else None
