"""The event file: record checksums computed natively, and a file that outlives a disk that refuses it for a while.

TensorBoard's own checksum is pure Python: 0.1 µs per byte with the interpreter lock held, 95 % of the cost of a record. Its thread ends
with the first write that fails, and every later call raises. Only the writer given here is changed; TensorBoard itself is not patched.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from tensorboard.compat import tf
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer import event_file_writer

from tb_lossdiag.process.forks import Origin
from tb_lossdiag.process.warn import warn
from tb_lossdiag.recording.backlog import MOST, Ours
from tb_lossdiag.recording.growing_file import LocalFile, RemoteFile
from tb_lossdiag.recording.refusals import Tell
from tb_lossdiag.recording.spool import Spool
from tb_lossdiag.recording.underway import Underway
from tb_lossdiag.wire.encoded import event
from tb_lossdiag.wire.framing import framed

_NUMBERS = itertools.count(1_000_000)


class EventWriter(event_file_writer.EventFileWriter):  # type: ignore[misc]
    """TensorBoard's, with native checksums, whose events wait in a spool: a disk that refuses them ends nothing.

    Args:
        logdir: the folder.
        flush_secs: seconds between two uploads, where files are elsewhere.
        filename_suffix: of the file.
        tell: takes what becomes of the disk.
        strict: raise what the disk says if the file cannot even begin.

    Attributes:
        spool: what waits for the file.

    Raises:
        OSError: the file cannot be written, and `strict`.
    """

    def __init__(
        self, logdir: str, flush_secs: float, filename_suffix: str, tell: Tell, *, strict: bool
    ) -> None:
        # Not TensorBoard's constructor: its thread ends with a traceback where the first event cannot be written.
        self._logdir, self._suffix, self._flush_secs = logdir, filename_suffix, flush_secs
        with contextlib.nullcontext() if strict else contextlib.suppress(Exception):
            tf.io.gfile.makedirs(logdir)
        self.spool = Spool(self._next, _first(), tell, strict=strict)

    def add_event(self, event: event_pb2.Event) -> None:
        """Write an event."""
        self.spool.put([framed(event.SerializeToString())])

    def flush(self) -> None:
        """Wait until everything is in the file, or the disk has refused it."""
        if not self.spool.flush():
            warn(
                f"Loss Doctor: not everything is in {self.spool.name} yet: {self.spool.failing}", 3
            )

    def close(self, *, quietly: bool = False) -> None:
        """Bring everything to the disk; what it does not take is lost. `quietly`, that is not said where the folder is gone."""
        well = self.spool.close()
        if not well and not (quietly and not tf.io.gfile.exists(self._logdir)):
            warn(f"Loss Doctor: {self.spool.name} is incomplete: {self.spool.failing}", 3)

    @property
    def _file_name(self) -> str:
        return self.spool.name

    def _next(self) -> LocalFile | RemoteFile:
        """The next file, named as TensorBoard names them."""
        begin = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}"
        name = f"{begin}.{os.getpid()}.{_number()}{self._suffix}"
        path = os.path.join(self._logdir, name)  # noqa: PTH118  (may be an address)
        return RemoteFile(path, self._flush_secs) if "://" in path else LocalFile(path)


def _number() -> int:
    """Counts the files of this process, those of stock writers among them."""
    shared = getattr(event_file_writer, "_global_uid", None)
    return next(_NUMBERS) if shared is None else int(shared.get())


def _first() -> bytes:
    """The event that every file begins with."""
    origin = event_pb2.SourceMetadata(writer="tensorboard.summary.writer.event_file_writer")
    version = "brain.Event:2"
    made = event_pb2.Event(wall_time=time.time(), file_version=version, source_metadata=origin)
    return framed(made.SerializeToString())


class Listener(Protocol):
    """Takes what is written, too."""

    def take(self, values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> None:
        """Take an event."""
        ...


class EventFile:
    """Where the journal writes; outlives the writer just long enough for the last step.

    Attributes:
        file_writer: torch's `FileWriter` around an `EventWriter`, None before there is a file.
        listener: takes every event as well.
        underway: events that are not known to be in the file.
        path: of the file that they are on their way to.
        position: they come after so many bytes of it.
        say: takes facts in words.
        restart: called when events were lost: what readers must know of later ones is to be written again.
    """

    def __init__(self) -> None:
        """Without a file."""
        self.file_writer: Any = None
        self.listener: Listener | None = None
        self.underway = Underway()
        self.path, self.position = "", 0
        self.say: Callable[[dict[str, str]], None] = lambda _: None
        self.restart: Callable[[], None] = lambda: None
        self._origin = Origin()
        self._open: Callable[[], object] = lambda: None
        self._frames: list[bytes] = []
        self._spool: Spool | None = None
        self._writers: list[EventWriter] = []
        self._news: deque[tuple[str, str]] = deque()
        self._warned = False

    @property
    def inherited(self) -> bool:
        """Whether it belongs to the process that this one was forked from."""
        return self._origin.left()

    @property
    def ended(self) -> bool:
        """Whether the file is closed."""
        return self._spool is None or not self._spool.open

    def make(
        self, logdir: str, flush_secs: float, suffix: str, *, strict: bool, name: str = ""
    ) -> EventWriter:
        """A writer for this folder; see `EventWriter`. Facts about it bear its name."""

        def tell(key: str, word: str) -> None:  # in the spool's thread
            self._news.append((f"{key} {name}".rstrip(), word))

        made = EventWriter(logdir, flush_secs, suffix, tell, strict=strict)
        self._writers = [*(one for one in self._writers if one.spool.open), made]
        return made

    def open_with(self, opener: Callable[[], object]) -> None:
        """Call this whenever there must be a file."""
        self._open = opener

    def use(self, file_writer: Any) -> None:
        """Write to this file from now on."""
        if self._spool is not None and self._spool.gap:
            self.underway = Underway()
            self.restart()
        self.file_writer = file_writer
        self._spool = file_writer.event_writer.spool
        self.path = self._spool.name

    def settle(self) -> None:
        """Take note of what has arrived in the file, which its thread goes on writing."""
        if self._spool is not None:
            self.path, self.position, ours = self._spool.place()
            self.underway.arrived(ours + sum(map(len, self._frames)))

    def open(self) -> None:
        """See to it that there is a file: torch closes it with the writer and opens a new one on demand."""
        self._open()

    def __call__(self, values: list[summary_pb2.Summary.Value], step: int, walltime: float) -> None:
        """Write an event; it may wait for `commit`."""
        summary = summary_pb2.Summary(value=values)
        made = event_pb2.Event(wall_time=walltime, step=step, summary=summary)
        self._put(made.SerializeToString(), tuple(value.tag for value in values), step)
        if self.listener is not None:
            self.listener.take(values, step, walltime)

    @property
    def takes_bytes(self) -> bool:
        """Whether nobody has to see the values of an event."""
        return self.listener is None

    def raw(self, summary: bytes, tags: tuple[str, ...], step: int, walltime: float) -> None:
        """Write an event whose summary is at hand as bytes, with the values' tags; it may wait for `commit`."""
        self._put(event(summary, step, walltime), tags, step)

    def _put(self, data: bytes, tags: tuple[str, ...], step: int) -> None:
        frame = Ours(framed(data))
        self._frames.append(frame)
        self.underway.put(frame, tags, step)

    def commit(self) -> None:
        """Hand what waits to the writer's thread."""
        frames, self._frames = self._frames, []
        if frames and self._spool is not None:
            self.underway.lost(len(frames) - self._spool.put(frames))
            if self._spool.gap:
                self._spool.gap = False
                self.restart()
        self.report()

    def flush(self) -> None:
        """Bring everything to the file.

        Raises:
            OSError: the disk has refused it; it will be tried again.
        """
        self.commit()
        if self._spool is not None and not self._spool.flush():
            raise OSError(self._spool.failing)

    def report(self) -> None:
        """Say what became of the disk since the last call."""
        while self._news:
            key, word = self._news.popleft()
            self.say({key: word})
            if not self._warned:
                self._warned = True
                warn(
                    f"Loss Doctor: the event file cannot be written ({word}). What is recorded waits in memory, up to "
                    f"{MOST // 2**20} MiB, until the disk takes it.",
                    4,
                )

    def try_again(self) -> None:
        """If the disk refused, see whether it still does."""
        for writer in self._writers:
            if writer.spool.failing is not None:
                writer.spool.flush()
        self.report()

    def close(self, *, quietly: bool = False) -> None:
        """Close all files; `quietly`, say nothing where the folder is gone."""
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.close(quietly=quietly)
