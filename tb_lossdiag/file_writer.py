"""Torch's `SummaryWriter`, whose files outlive a disk that refuses them, and which keeps silent in a forked child."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from torch.utils.tensorboard import FileWriter as TorchFileWriter
from torch.utils.tensorboard import SummaryWriter as TorchSummaryWriter

from tb_lossdiag.collect.state.processes import expected_rank
from tb_lossdiag.process.warn import warn
from tb_lossdiag.recording.event_file import EventFile, EventWriter


class FileWriter(TorchFileWriter):
    """Torch's, but for where its events go.

    Args:
        event_writer: writes them.
    """

    def __init__(self, event_writer: EventWriter) -> None:
        # Not torch's constructor: it makes TensorBoard's own event writer.
        self.event_writer = event_writer


class Mute(TorchFileWriter):
    """Takes everything and writes nothing.

    Args:
        logdir: what it says its folder is.
    """

    def __init__(self, logdir: str) -> None:
        self._logdir = logdir

    def get_logdir(self) -> str:
        """The folder."""
        return self._logdir

    def add_event(self, event: Any, step: Any = None, walltime: Any = None) -> None:
        """Drop an event."""

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


class FileSummaryWriter(TorchSummaryWriter):
    """Torch's, but for its files.

    Args:
        event_file: where its events go, those of `add_*` among them.
        arguments: torch's.
    """

    log_dir: Any
    purge_step: int | None
    flush_secs: float
    filename_suffix: str
    file_writer: Any
    all_writers: Any

    def __init__(self, event_file: EventFile, *arguments: Any) -> None:
        self._event_file = event_file
        self._owner, self._disowned, self._ready = os.getpid(), False, False
        super().__init__(*arguments)
        self._ready = True

    def _reopen(self) -> None:
        """It is used; it may have been closed, or belong to another process."""

    def _get_file_writer(self) -> Any:
        """Torch's one door to the event file; every `add_*` goes through it."""
        if not self._ready and expected_rank() > 0:
            return None  # only rank 0 writes the run; another has a file once the user's own add_* needs one
        self._reopen()
        if self._event_file.inherited:
            return Mute(str(self.log_dir))
        if self.file_writer is None:
            self.file_writer = self._file(str(self.log_dir), strict=not self._ready)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            self._event_file.use(self.file_writer)
            self._purge(self.file_writer)
        self._event_file.report()
        return self.file_writer

    def _file(self, folder: str, *, strict: bool = False, name: str = "") -> FileWriter:
        how = self.flush_secs, self.filename_suffix
        return FileWriter(self._event_file.make(folder, *how, strict=strict, name=name))

    def _purge(self, file_writer: FileWriter) -> None:
        """Say, as torch does, from which step on an earlier run is to be hidden."""
        if self.purge_step is not None:
            step, self.purge_step = self.purge_step, None
            file_writer.add_event(Event(step=step, file_version="brain.Event:2"))
            start = SessionLog(status=SessionLog.START)
            file_writer.add_event(Event(step=step, session_log=start))

    def _disown(self) -> None:
        """A forked child must not write between its parent's records, and has none of its threads: say so once."""
        if not self._disowned:
            self._disowned = True
            warn(
                f"Loss Doctor: this writer belongs to process {self._owner}, from which this one was forked: nothing is recorded "
                "here. Open a SummaryWriter in this process, with a folder of its own.",
                5,
            )

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """As torch's, which writes each value to a folder of its own: these files are like the writer's, too."""
        main = self._get_file_writer()
        if main is None or self.all_writers is None or self._event_file.inherited:
            return
        for tag in tag_scalar_dict:
            name = f"{main_tag.replace('/', '_')}_{tag}"
            folder = f"{main.get_logdir()}/{name}"
            if folder not in self.all_writers:
                self.all_writers[folder] = self._file(folder, name=name)
        super().add_scalars(main_tag, tag_scalar_dict, global_step, walltime)

    def flush(self) -> None:
        """Wait until everything is in its file, or the disk has refused it; a warning says so then."""
        if not self._event_file.inherited:
            super().flush()

    def close(self) -> None:
        """Close all files; what the disk does not take now is lost, and a warning says so."""
        if not self._event_file.inherited:
            self._event_file.close()
            super().close()
