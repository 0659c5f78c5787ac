"""Event files as they lie in a folder: whatever is in them, reading ends, and what is damaged costs only itself."""

from __future__ import annotations

import math
import os
import stat
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing import io_wrapper
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.dataclass_compat import migrate_event as with_classes

from tb_lossdiag.reader.curves import Curves
from tb_lossdiag.wire.framing import masked_crc
from tb_lossdiag.wire.schema import PLUGIN

_HEAD = struct.Struct("<QI")
_FOOT = struct.Struct("<I")
_LONGEST = 2**28
"""Bytes of the longest record that is read: four times the longest of ours; what is longer is a picture or a bomb."""
_ELEMENTS = 2**24
"""Most numbers of a tensor. One number in the file may stand for any count of them, which TensorBoard would make room for."""
_NAMES = 8
"""Names under which one folder is read: links may make thousands of them."""


def runs(root: Path) -> Iterator[Path]:
    """Folders with event files at or below a folder. Links are followed, but never back to a folder above. Of a file: itself."""
    if is_event_file(root):
        yield root
        return
    seen: Counter[str] = Counter()
    waiting = [(root, frozenset[str]())]
    while waiting:
        folder, above = waiting.pop()
        real = os.path.realpath(folder)
        seen[real] += 1
        if real in above or seen[real] > _NAMES:
            continue
        files, folders = _listed(folder)
        if any(io_wrapper.IsTensorFlowEventsFile(str(file)) for file in files):
            yield folder
        waiting += [(inner, above | {real}) for inner in reversed(folders)]


def event_files(folder: Path) -> list[Path]:
    """The event files of one folder in the order in which TensorBoard reads them; pipes and the like are none. Of a file: itself."""
    if is_event_file(folder):
        return [folder]
    files = (str(file) for file in _listed(folder)[0])
    return [Path(file) for file in sorted(files) if io_wrapper.IsSummaryEventsFile(file)]


def is_event_file(place: Path) -> bool:
    """Whether this is one event file."""
    named: bool = io_wrapper.IsTensorFlowEventsFile(str(place))
    return named and stat.S_ISREG(_mode(place))


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Regular files and folders in a folder; nothing of one that may not be entered."""
    files: list[Path] = []
    folders: list[Path] = []
    try:
        for name in sorted(os.listdir(folder)):  # noqa: PTH208  (names that are no text come as they are)
            place = folder / name
            mode = _mode(place)
            if stat.S_ISREG(mode):
                files.append(place)
            elif stat.S_ISDIR(mode):
                folders.append(place)
    except OSError:
        return [], []
    return files, folders


def _mode(place: Path) -> int:
    try:
        return place.stat().st_mode
    except (OSError, ValueError):  # a link to nowhere, or to itself
        return 0


class Events:
    """The events of a run's folder, as TensorBoard's accumulator wants them, but for plain scalars.

    Args:
        folder: of the run.

    Attributes:
        curves: its plain scalars.
        taken: how many have been taken.
        damaged: records that could not be read.
        problem: why a file could not be read at all, or None.
    """

    def __init__(self, folder: Path) -> None:
        self._rest = self._events(folder)
        self._classes: dict[str, Any] = {}
        self.curves = Curves()
        self.taken = 0
        self.damaged = 0
        self.problem: str | None = None

    def Load(self) -> Iterator[Any]:  # noqa: N802  (TensorBoard's name)
        """Those that have not been taken yet."""
        return self._rest

    def _events(self, folder: Path) -> Iterator[Any]:
        for path in event_files(folder):
            self._classes = {}
            try:
                for event in (event for data in records(path) for event in self._parsed(data)):
                    self.taken += 1
                    yield event
            except OSError as error:
                self.problem = f"{path.name}: {error.strerror or error}"

    def _parsed(self, data: bytes | None) -> list[Any]:
        try:
            if data is not None:
                event = event_pb2.Event.FromString(data)
                if not self.curves.take(event):
                    return []
                self.damaged += _less_bombs(event)
                return list(with_classes(event, self._classes))
        except Exception:  # noqa: BLE001, S110  (whatever TensorBoard raises for what stands in a file)
            pass
        self.damaged += 1
        return []


def records(path: Path) -> Iterator[bytes | None]:
    """The records of a file as far as their lengths are right; None for one whose own checksum is wrong."""
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, check = _HEAD.unpack(head)
            left -= _HEAD.size + length + _FOOT.size
            if left < 0 or masked_crc(head[:8]) != check:
                return
            if length > _LONGEST:
                file.seek(length + _FOOT.size, os.SEEK_CUR)
                continue
            data, foot = file.read(length), file.read(_FOOT.size)
            yield data if _FOOT.pack(masked_crc(data)) == foot else None


def _less_bombs(event: Any) -> int:
    """Take tensors out that would be much larger in memory than they are in the file; how many of them say that they are ours."""
    values = event.summary.value
    small = [value for value in values if _elements(value.tensor) <= _ELEMENTS]
    if len(small) == len(values):
        return 0
    ours: int = sum(value.tag.startswith(f"{PLUGIN}/") for value in values)
    ours -= sum(value.tag.startswith(f"{PLUGIN}/") for value in small)
    event.summary.CopyFrom(summary_pb2.Summary(value=small))
    return ours


def _elements(tensor: Any) -> int:
    elements: int = math.prod(max(dim.size, 0) for dim in tensor.tensor_shape.dim)
    return elements
