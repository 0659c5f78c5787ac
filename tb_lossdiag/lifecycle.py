"""The life of a writer: opened in a folder, flushed, closed, opened again, ended by a signal or forgotten."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from tb_lossdiag.collect.check_up import clear
from tb_lossdiag.collect.diagnostics import Diagnostics
from tb_lossdiag.collect.ranks.store import PATIENCE
from tb_lossdiag.collect.state.other_writers import open_event_files
from tb_lossdiag.file_writer import FileSummaryWriter
from tb_lossdiag.process import sigterm
from tb_lossdiag.process.job import job
from tb_lossdiag.process.origin import origin as whence
from tb_lossdiag.quantities import OTHER_WRITERS
from tb_lossdiag.recording.event_file import EventFile
from tb_lossdiag.recording.past import Past, look
from tb_lossdiag.recording.recorder import Recorder
from tb_lossdiag.recording.scalars import as_scalars, no_scalars
from tb_lossdiag.recording.windows import Cadence
from tb_lossdiag.records import Record


class OpenWriter(FileSummaryWriter):
    """Torch's writer with a recorder behind it; the arguments are those of `SummaryWriter`."""

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
        *,
        scalars: bool = True,
        origin: bool = True,
    ) -> None:
        event_file = EventFile()
        past = Past(purged_from=purge_step) if log_dir is None else look(str(log_dir), purge_step)
        self._recorder = Recorder(
            event_file, as_scalars if scalars else no_scalars, Cadence(), past
        )
        self._diagnostics = Diagnostics(self._recorder, event_file, past.coming)
        self._closed = False
        self._calls = 0
        event_file.say, event_file.restart = self._recorder.say, self._recorder.restart
        before = set() if log_dir is None else open_event_files(str(log_dir))
        super().__init__(
            event_file, log_dir, comment, purge_step, max_queue, flush_secs, filename_suffix
        )
        me = weakref.ref(self)  # the file keeps no writer alive
        event_file.open_with(lambda: (writer := me()) and writer._get_file_writer())  # noqa: SLF001
        ours = self._diagnostics
        ours.guarded.door("tail", ours.take_over, str(self.log_dir), purge_step)
        count = np.array([len(before)], np.float32)
        self._recorder.write.first = [Record(OTHER_WRITERS, ("",), count)]
        self._recorder.say({"torch": torch.__version__, "tb_lossdiag": version("tb-lossdiag")})
        if origin:
            self._recorder.say({**(ours.guarded("origin", whence) or {}), **job()})
        self._begin()

    def _begin(self) -> None:
        """It is open from now on, for the first time or again."""
        self._closed = False
        # An exception in training must not cost the record of the step that caused it.
        self._at_end = weakref.finalize(self, _finish, self._diagnostics, self._event_file)
        self._diagnostics.guarded.door("sigterm", sigterm.watch_over, self, OpenWriter._last_words)

    def _reopen(self) -> None:
        """As torch's writer, a closed one opens again for whoever uses it."""
        if self._event_file.inherited:
            self._disown()
        elif self._closed:
            self._diagnostics.begin_again()
            self._begin()

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """As torch's."""
        self._diagnostics.guarded.door("check-up", self._diagnostics.scalar, tag)
        super().add_scalar(tag, scalar_value, global_step, walltime, new_style, double_precision)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        walltime: float | None = None,
    ) -> None:
        """As torch's, which writes each value to a folder of its own."""
        for tag in tag_scalar_dict:
            self._diagnostics.guarded.door("check-up", self._diagnostics.scalar, tag)
        super().add_scalars(main_tag, tag_scalar_dict, global_step, walltime)

    def flush(self) -> None:
        """Write everything recorded so far to the event file."""
        door = self._diagnostics.guarded.door
        inherited = door("writing", getattr, self._event_file, "inherited")
        if not self._closed and not inherited:  # else a new file would be opened
            door("writing", self._event_file.try_again)
            door("writing", self._diagnostics.flush)
        door("writing", super().flush)

    def _last_words(self, patience: float) -> None:
        """SIGTERM has come: write everything; the disk may take so many seconds."""
        ours, door = self._diagnostics, self._diagnostics.guarded.door
        door("writing", ours.flush)
        door("tail", ours.keep_tail)  # in case the disk does not come back
        sigterm.in_time(super().flush, patience)
        door("tail", ours.forget_tail)

    def close(self) -> None:
        """Write what is pending and close the event file; whatever is recorded later opens a new one, as in torch's writer.

        Models are watched no longer: `watch` them again to go on.
        """
        door = self._diagnostics.guarded.door
        if door("writing", getattr, self._event_file, "inherited"):
            return
        if not self._closed:
            self._at_end.detach()
            door("writing", self._event_file.try_again)
            # Other ranks may never get here when something went wrong on this one.
            patience = 0.0 if sys.exc_info()[0] else PATIENCE
            if not self._diagnostics.guarded.seen("writing", self._diagnostics.close, patience):
                clear()
        self._closed = True
        door("sigterm", sigterm.let_go, self)
        door("writing", super().close)
        door("tail", self._diagnostics.forget_tail)


def _finish(diagnostics: Diagnostics, event_file: EventFile) -> None:
    """Write what waits in a writer nobody closed; in a forked child there is nothing to write, and no thread that would."""
    if not event_file.inherited:
        diagnostics.close(0.0)
        event_file.close(quietly=True)
        diagnostics.guarded.door("tail", diagnostics.forget_tail)
