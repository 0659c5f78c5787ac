"""What is not yet in the event file, kept beside it: a process that is killed leaves the windows that were open.

The content is events as the event file has them (`wire/slots.py` keeps it whole): first one that says where in which event file it goes on,
then events without values that name the newest record the file has of each frame, then what is on its way into the file, and what a
flush would write. Readers take the values as the newest records; the next writer in the folder turns them into records.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable

from tensorboard.compat.proto import event_pb2, summary_pb2

from tb_lossdiag.recording.emit import Emit
from tb_lossdiag.recording.event_file import EventFile
from tb_lossdiag.wire.framing import framed
from tb_lossdiag.wire.leftover import VERSION, Event, series, tail_path
from tb_lossdiag.wire.slots import MOST, Slots

_SHARE, _WAITING = 200, 50
"""A tail is not written before so many times the processor time of the last one, half a percent, or its time with waiting for the disk,
two percent (on a full machine most of that is other processes' time, and would make a kill dearer),"""
_SOONEST = 0.25
"""nor before so many seconds. It waits for the next hand-over then, which is three times as long away at most."""
_FEW = 2**20
"""Bytes on their way into the event file, above which the tail waits for them: windows are short where there are so many."""
_PAUSE = 30.0
"""Seconds after which a tail that could not be written is tried again; and between two records written instead."""
_OVERHEAD = 80


class Tail:
    """The tail file of one writer.

    Args:
        ahead: emits what a flush would write.
        event_file: what it goes beside.

    Attributes:
        why: why there is none now, "" if there is.
    """

    def __init__(self, ahead: Callable[[Emit], None], event_file: EventFile) -> None:
        self._ahead, self._event_file = ahead, event_file
        self._slots: Slots | None = None
        self._kept, self._rest = 0.0, _SOONEST
        self._pid = os.getpid()
        self.why = ""

    def keep(self, *, now: bool) -> bool:
        """Write down what is not yet a record if it is time to, or in any case; False if that cannot be done here."""
        start, worked = time.perf_counter(), time.thread_time()
        if os.getpid() != self._pid or not self._due(start, now=now):
            return not self.why
        try:
            self._write()
        except OSError as error:
            self.why = f"{type(error).__name__}: {error}"
        self._kept = time.perf_counter()
        waited, worked = self._kept - start, time.thread_time() - worked
        self._rest = max(_SOONEST, _SHARE * worked, _WAITING * waited)
        return not self.why

    def remove(self) -> None:
        """Delete it if everything is in the event file."""
        if self._slots is None or os.getpid() != self._pid:
            return
        self._event_file.settle()
        if not self._event_file.underway.size:
            self._slots.remove()
            self._slots = None
            return
        with contextlib.suppress(OSError):  # the disk refuses this, too: what was kept before stays
            self._write()
        if self._event_file.ended:
            self._slots.close()
            self._slots = None

    def _due(self, start: float, *, now: bool) -> bool:
        since = start - self._kept
        if self.why:
            return since > _PAUSE and "://" not in self._event_file.path
        if not now and since < self._rest:
            return False
        self._event_file.settle()
        return now or self._event_file.underway.size <= _FEW

    def _write(self) -> None:
        if "://" in self._event_file.path:
            self.why = "the folder is remote"
            return
        underway = self._event_file.underway
        events: list[Event] = []
        self._ahead(lambda values, step, walltime: events.append((values, step, walltime)))
        rest = underway.rest()
        parts = [self._head(), *map(_mark, underway.newest.items()), rest]
        parts += map(_event, _fitting(events, MOST - len(rest)))
        if self._slots is None:
            self._slots = Slots(tail_path(self._event_file.path))
        self._slots.write(b"".join(parts))
        self.why = ""

    def _head(self) -> bytes:
        """Which event file it goes beside, and how much of that it does not repeat."""
        name = os.path.basename(self._event_file.path)  # noqa: PTH119
        head = event_pb2.Event(
            wall_time=time.time(), step=self._event_file.position, file_version=f"{VERSION} {name}"
        )
        return framed(head.SerializeToString())


def _mark(newest: tuple[str, int]) -> bytes:
    name, step = newest
    values = [summary_pb2.Summary.Value(tag=name)]
    return _event((values, step, 0.0))


def _event(event: Event) -> bytes:
    values, step, walltime = event
    summary = summary_pb2.Summary(value=values)
    made = event_pb2.Event(wall_time=walltime, step=step, summary=summary)
    return framed(made.SerializeToString())


def _fitting(events: Iterable[Event], room: int) -> list[Event]:
    """The events without the frames that are too wide for so many bytes, the widest left out first."""
    events = list(events)
    sizes: dict[str, int] = {}
    for values, _, _ in events:
        for value in values:
            name = series(value.tag) or ""
            sizes[name] = sizes.get(name, 0) + value.ByteSize() + _OVERHEAD
    total = sum(sizes.values())
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if total <= room:
            break
        total -= sizes.pop(name)
    kept = ((v for v in values if (series(v.tag) or "") in sizes) for values, _, _ in events)
    return [(list(v), s, w) for v, (_, s, w) in zip(kept, events, strict=True)]
