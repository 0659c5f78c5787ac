"""How far data-parallel ranks are apart: their norms, which should be the same on all, at sparse steps."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.parameters import Parameters
from tb_lossdiag.collect.ranks import Board
from tb_lossdiag.quantities import RANK_GRADIENT_SPREAD, RANK_PARAMETER_SPREAD
from tb_lossdiag.records import Record

_LONGEST = 512
"""Most steps between two comparisons."""
_PATIENCE = 5.0
"""Seconds rank 0 waits for the others' norms of a step; ranks in step with each other would wait as long at the next gradient."""


class Spread:
    """Compares one watched model's ranks. Ranks that do not watch it, or another model, leave nothing to compare.

    Args:
        board: what the ranks share.
        name: of the watched model.
        model: its parameters.
    """

    def __init__(self, board: Board, name: str, model: Parameters) -> None:
        self._board, self._name = board, name
        self._model = fingerprint(model)
        self._met = self._off = False
        board.post("here", b"here")

    def due(self, taken: int) -> bool:
        """Whether ranks are compared in the step after so many: 0, 1, 2, 4 … 512, then every 512, the same on every rank."""
        return not self._off and (
            taken & (taken - 1) == 0 if taken < _LONGEST else not taken % _LONGEST
        )

    def compare(self, taken: int, gradient: Tensor, weights: Tensor) -> list[Record]:
        """Give this rank's norms; on rank 0, what the ranks' norms say together.

        Args:
            taken: steps taken so far.
            gradient: float[n], norms before clipping and after unscaling.
            weights: float[m], norms of the parameters before the step.
        """
        topic = f"norms/{taken}"
        word = struct.pack("<dd", _total(gradient), _total(weights))
        self._board.post(topic, self._model + word)
        if self._board.rank or not self._all_here():
            return []
        words = self._board.words(topic, _PATIENCE)
        self._off = words is None or len({word[:-16] for word in words}) > 1
        self._board.forget(topic)
        return [] if words is None or self._off else self._records(words)

    def _all_here(self) -> bool:
        self._met = self._met or self._board.complete("here")
        return self._met

    def _records(self, words: Sequence[bytes]) -> list[Record]:
        norms = np.array([struct.unpack("<dd", word[-16:]) for word in words])
        return [
            Record(quantity, (self._name,), np.array([_spread(norms[:, index])], np.float32))
            for index, quantity in enumerate((RANK_GRADIENT_SPREAD, RANK_PARAMETER_SPREAD))
        ]


def fingerprint(model: Parameters, *more: object) -> bytes:
    """The same on ranks that hold the same parameters, by name and shape."""
    shapes = [(name, tuple(p.shape)) for name, p in zip(model.names, model.tensors, strict=True)]
    return hashlib.sha256(repr((shapes, more)).encode()).digest()


def _total(norms: Tensor) -> float:
    return float(norms.detach().double().norm()) if norms.numel() else math.nan


def _spread(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """(largest - smallest) / largest; 1 where only some are finite, NaN where none is.

    >>> _spread(np.array([4.0, 3.0])), _spread(np.array([1.0, np.nan]))
    (0.25, 1.0)
    """
    finite = np.isfinite(values)
    if not finite.all():
        return 1.0 if finite.any() else math.nan
    largest = float(values.max())
    return (largest - float(values.min())) / largest if largest else 0.0
