"""Runs, diagnoses and answers, kept until something new was recorded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from tb_lossdiag.records import Run
from tb_lossdiag.rules.engine import Diagnosis


@dataclass
class Case:
    """A run as it was last read. One at a time reads it; other runs are not kept waiting.

    Attributes:
        version: of the listing it was read from, "" for never.
        judged: the run and its diagnosis.
        rows: its row of the overview by language.
        lock: held while reading and judging.
    """

    version: str = ""
    judged: tuple[Run, Diagnosis] | None = None
    rows: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Answers:
    """The newest answers by question, up to a number of bytes; the oldest go first."""

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` bytes."""
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, question: Hashable, make: Callable[[], bytes]) -> bytes:
        """The kept answer, or a new one. Two that ask at once may both make it."""
        with self._lock:
            if question in self._kept:
                self._kept.move_to_end(question)
                return self._kept[question]
        answer = make()
        with self._lock:
            self._put(question, answer)
        return answer

    def _put(self, question: Hashable, answer: bytes) -> None:
        self._size += len(answer) - len(self._kept.pop(question, b""))
        self._kept[question] = answer
        while self._size > self._limit and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1])
