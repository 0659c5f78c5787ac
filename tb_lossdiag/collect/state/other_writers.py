"""Who else is writing in a run folder right now.

TensorBoard's Python loader (macOS on ARM, Windows) reads only the newest event file of a folder: two writers at once lose records.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from pathlib import Path

from tb_lossdiag.recording.spool import open_files

_NAME = re.compile(r"events\.out\.tfevents\.(?P<time>\d+)\.(?P<host>.+)\.(?P<pid>\d+)\.\d+")


def open_event_files(folder: str) -> set[str]:
    """Event files in a local folder that a living writer of this machine still has open, as far as that can be seen."""
    directory = Path(folder)
    if not directory.is_dir():
        return set()
    mine = {path for path in _open_here() if Path(path).parent.resolve() == directory.resolve()}
    others = {str(path) for path in directory.iterdir() if open_elsewhere(path.name)}
    return {str(Path(path).resolve()) for path in mine | others}


def _open_here() -> set[str]:
    """Files of this process: our own, and those of stock writers, whose threads know their file."""
    files = set(open_files())
    for thread in threading.enumerate():
        writer = getattr(getattr(thread, "_record_writer", None), "_writer", None)
        name = getattr(writer, "filename", None)
        if isinstance(name, (str, bytes)):
            files.add(os.fsdecode(name))
    return files


def open_elsewhere(name: str) -> bool:
    """Whether the process that made a file of this name on this host, by the name's own account, still runs."""
    match = _NAME.match(name)
    if match is None or match["host"] != socket.gethostname():
        return False
    pid = int(match["pid"])
    return pid != os.getpid() and _started_before(pid, int(match["time"]))


def _started_before(pid: int, moment: int) -> bool:
    """Whether a process of this number runs and is older than the file (numbers are used again)."""
    if not Path("/proc/stat").exists():
        return _alive(pid)
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime")
        )
    except (OSError, IndexError, ValueError, StopIteration):
        return False
    return boot + ticks / os.sysconf("SC_CLK_TCK") <= moment + 2


def _alive(pid: int) -> bool:
    """Whether the process runs, where its age cannot be read (macOS); unknown counts as no."""
    if os.name != "posix":  # there, signal 0 would end the process
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
