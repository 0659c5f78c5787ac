"""How far data-parallel ranks are apart: their norms, which should be the same on all, and what else each knows, at sparse steps."""

from __future__ import annotations

import contextlib
import hashlib
import math
import struct
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from torch import Tensor

from tb_lossdiag.collect.ranks.gathered import gathered
from tb_lossdiag.collect.ranks.layout import Kind
from tb_lossdiag.collect.ranks.share import SIZE, Share
from tb_lossdiag.collect.ranks.store import RankStore, listed, tell, waited
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.parameters import Parameters
from tb_lossdiag.quantities import RANK_GRADIENT_SPREAD, RANK_PARAMETER_SPREAD
from tb_lossdiag.records import Record

Say = Callable[[dict[str, str]], None]

_LONGEST = 512
"""Most steps between two comparisons."""
_MOST = 64
"""Comparisons that wait for a slow rank; while so many do, none is added."""
_NORMS = struct.Struct("<dd")
_TAIL = _NORMS.size + SIZE
"""Bytes of a word after the model's fingerprint."""
_LONG = 30.0
"""Seconds after which it is worth a word that a rank has not been heard of."""


class RankDivergence:
    """Compares one watched model's ranks. Nobody waits: each rank leaves its norms, and rank 0 compares them once all are there.

    Args:
        board: what the ranks share.
        name: of the watched model.
        model: its parameters.
        say: takes facts.
        kind: how its parameters lie over the ranks.

    Attributes:
        normless: whether the ranks hold different parts of the model, so that their norms say nothing of each other.
    """

    def __init__(
        self, board: RankStore, name: str, model: Parameters, say: Say, kind: Kind
    ) -> None:
        self._board, self._name, self._say = board, name, say
        self._model = fingerprint(model)
        self.normless = kind is not Kind.REPLICATED
        self._off = self._told = self._heard = False
        self._waiting: deque[int] = deque()
        self._found: dict[int, list[bytes]] = {}
        self._since = time.monotonic()
        board.post("here", b"here")

    def due(self, taken: int) -> bool:
        """Whether ranks are compared in the step after so many: 0, 1, 2, 4 … 512, then every 512."""
        return self.ahead(taken) == 0

    def ahead(self, taken: int) -> float:
        """So many steps after the one that comes after `taken` they are compared; infinite where they never are again."""
        if self._off or len(self._waiting) >= _MOST:
            return math.inf
        if taken >= _LONGEST:
            return -taken % _LONGEST
        return (1 << (taken - 1).bit_length()) - taken if taken else 0

    def give(self, taken: int, gradient: Tensor, weights: Tensor, share: Share) -> Measurement:
        """Give this rank's norms; a sample that is ready when all ranks have given theirs.

        Args:
            taken: steps taken so far.
            gradient: float[n], norms before clipping and after unscaling.
            weights: float[m], norms of the parameters before the step.
            share: what else this rank knows of the steps since the last comparison.
        """
        word = _NORMS.pack(_total(gradient), _total(weights)) + share.packed()
        self._board.post(_topic(taken), self._model + word)
        if self._board.rank:
            self._listen()
        else:
            self._waiting.append(taken)
        return Measurement([], lambda _: self._records(taken), lambda: self._ready(taken))

    def end(self, patience: float) -> None:
        """No more steps come; the others may take so many seconds to say their part."""
        with contextlib.suppress(RuntimeError):  # the store may be gone
            if self._board.rank:
                self._listen(0.0)
            elif self._waiting and not self._board.complete("here"):
                self._complain("here", ": call watch on every rank")
            elif self._waiting and patience:
                newest = _topic(self._waiting[-1])
                if not waited(lambda: self._board.complete(newest), patience):
                    self._complain(newest)

    def _ready(self, taken: int) -> bool:
        """Whether it is known what the ranks say of a step, or never will be; in the order of steps."""
        if self._off or taken in self._found or taken not in self._waiting:
            return True
        if taken != self._waiting[0]:
            return False
        words = self._board.words(_topic(taken), 0.0)
        if words is None:
            if time.monotonic() - self._since > _LONG:
                self._complain(_topic(taken))
            return False
        self._waiting.popleft()
        self._board.forget(_topic(taken))
        self._keep(taken, words)
        return True

    def _keep(self, taken: int, words: list[bytes]) -> None:
        self._since = time.monotonic()
        if self._told:
            self._told = False
            self._say({"ranks": "compared"})
        self._found[taken] = words
        if len({word[:-_TAIL] for word in words}) > 1:
            self._off = True
            self._say({"ranks": "not compared: they watch different models"})
            tell("the ranks watch different models: they are not compared")

    def _complain(self, topic: str, advice: str = "") -> None:
        """Say once for whom the comparison waits."""
        told, self._told = self._told, True
        if not told:
            away = listed(self._board.missing("here") or self._board.missing(topic))
            words = (
                f"not compared since optimizer step {self._waiting[0]}, waited for {away}{advice}"
            )
            self._say({"ranks": words})
            self._tell(f"the ranks are {words}")

    def _listen(self, patience: float = _LONG) -> None:
        """On a rank that does not write: whether the one that writes watches too."""
        self._heard = self._heard or self._board.heard("here", 0)
        late = time.monotonic() - self._since > patience
        if late and not self._heard and not self._told:
            self._told = True
            self._tell("nothing is recorded: rank 0, which writes for all, has not called watch")

    def _tell(self, words: str) -> None:
        """A warning; of a sharded model whoever adds up its norms tells the same."""
        if not self.normless:
            tell(words)

    def _records(self, taken: int) -> list[Record]:
        words = self._found.pop(taken, None)
        if words is None or self._off:
            return []
        norms = np.array([_NORMS.unpack_from(word, len(word) - _TAIL) for word in words])
        found = gathered([Share.unpacked(word[-SIZE:]) for word in words], sharded=self.normless)
        if not self.normless:
            found[RANK_GRADIENT_SPREAD] = _spread(norms[:, 0])
            found[RANK_PARAMETER_SPREAD] = _spread(norms[:, 1])
        return [
            Record(quantity, (self._name,), np.array([value], np.float32))
            for quantity, value in found.items()
        ]


def _topic(taken: int) -> str:
    return f"norms/{taken}"


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
