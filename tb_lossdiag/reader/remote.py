"""Folders that are not on this machine, through fsspec: listed there, and their files kept here as a copy.

Everything else reads the copy, and so knows nothing of buckets. Of a file that has grown only what is new is brought.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from posixpath import basename
from typing import Any

from tb_lossdiag.process.caches import own_caches
from tb_lossdiag.reader.event_names import is_events
from tb_lossdiag.reader.logs.names import (
    HEAD,
    STATE,
    SUFFIXES,
    counts_steps,
    may_be_usual,
    of_a_folder,
)
from tb_lossdiag.reader.remote_copy import RemoteFile, bring, make_room
from tb_lossdiag.wire.leftover import is_tail

_STAMPS = ("ETag", "md5Hash", "blob_id", "LastModified", "last_modified", "updated", "mtime")
"""What says that a file has changed, by the names that file systems have for it."""
_EXTRA = "pip install 'tb-lossdiag[remote]', and what it needs for such addresses"
_HERE = "file://"
_MOST = 20 * 2**30
"""Bytes of copies, unless `TB_LOSSDIAG_COPIES_MB` says otherwise; the one that is read may be larger."""


def is_address(place: str) -> bool:
    """Whether a place is on another machine, or in the memory of this process: `s3://…`, `gs://…`, `memory://…`."""
    return "://" in place and not place.startswith(_HERE)


def here(place: str) -> str:
    """A place as it is written on this machine.

    >>> here("file:///logs/runs"), here("runs"), here("s3://bucket/runs")
    ('/logs/runs', 'runs', 's3://bucket/runs')
    """
    return place.removeprefix(_HERE)


@dataclass(frozen=True)
class Remote:
    """Event files and logs of a folder elsewhere, or some of them, as they were when they were listed.

    Attributes:
        address: of the folder.
        files: in it.
        names: of all that was listed; of one file: none.
    """

    address: str
    files: tuple[RemoteFile, ...]
    names: frozenset[str] = frozenset()

    @property
    def copy(self) -> Path:
        """Where its files are kept here."""
        return _home(self.address) / "files"

    def folders(self) -> list[Path]:
        """Folders of the copy that hold event files once they are brought, then its logs; of one file: itself."""
        if len(self.files) == 1 and self.files[0].alone:
            return [self.copy / self.files[0].name]
        events = [file.name for file in self.files if _is_event_file(basename(file.name))]
        found = [self.copy / name for name in dict.fromkeys(str(_folder(n)) for n in events)]
        return found + [self.copy / file.name for file in self.files if _is_log(file)]

    def within(self, folders: Iterable[Path]) -> Remote:
        """Those of some folders of the copy."""
        wanted = {os.fspath(folder) for folder in folders}
        return replace(self, files=tuple(f for f in self.files if self._place(f) in wanted))

    def bring(self) -> None:
        """Make the copy of these files what they are there.

        Raises:
            OSError: one cannot be read; the message names the address.
        """
        with telling(self.address):
            system, _ = _opened(self.address)
            bring(system, self.files, self.copy, _home(self.address) / "stamps", self.names)

    def _place(self, file: RemoteFile) -> str:
        own = file.alone or _is_log(file)
        return os.fspath(self.copy / (file.name if own else _folder(file.name)))


def listed(address: str) -> Remote:
    """What lies in a folder elsewhere, or the one event file or log of that address.

    Raises:
        FileNotFoundError: there is nothing of that address.
        OSError: it cannot be listed; the message says why.
        ValueError: nothing installed understands such addresses.
    """
    _tidy(address.rstrip("/"))
    with telling(address):
        system, path = _opened(address)
        system.invalidate_cache()
        one = _is_event_file(basename(path)) or path.lower().endswith(SUFFIXES)
        if one and system.isfile(path):
            parent, _, name = address.rstrip("/").rpartition("/")
            return Remote(parent, (_file(system.info(path), path, name, alone=True),))
        found = system.find(path, detail=True)
        if not found and not system.isdir(path):
            raise FileNotFoundError("no such folder")
        files = [*_files(found, path), *_logs(system, found, path)]
        return Remote(address.rstrip("/"), tuple(files), frozenset(file.name for file in files))


@contextmanager
def telling(address: str) -> Iterator[None]:
    """Whatever a file system raises becomes an `OSError` that names the address: each has errors of its own."""
    try:
        yield
    except ValueError:
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{address}: {_said(error)}") from error
    except Exception as error:  # whatever a file system raises
        raise OSError(f"{address}: {_said(error)}") from error


def _said(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Raises:
        ValueError: fsspec, or what it needs for such addresses, is not installed.
    """
    try:
        import fsspec.core  # noqa: PLC0415  (an extra)

        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise ValueError(f"{address}: {error}: {_EXTRA}") from error
    except ValueError as error:
        raise ValueError(f"{address}: {error}") from error
    return system, path


def _files(found: Mapping[str, Mapping[str, Any]], root: str) -> Iterator[RemoteFile]:
    """Event files and tails, in the order of their names; what could be no file of the copy is left out."""
    for path, info in sorted(found.items()):
        name = path.removeprefix(root).lstrip("/")
        if (_is_event_file(basename(name)) or is_tail(basename(name))) and _stays_inside(name):
            yield _file(info, path, name)


def _logs(system: Any, found: Mapping[str, Mapping[str, Any]], root: str) -> Iterator[RemoteFile]:
    """Logs that say what no event file does; of what may be one the beginning is asked, once while it does not change."""
    inside = {path: path.removeprefix(root).lstrip("/") for path in found}
    inside = {path: name for path, name in inside.items() if _stays_inside(name)}
    usual = {Path(name): path for path, name in inside.items() if may_be_usual(basename(name))}
    events = {Path(name).parent for name in inside.values() if _is_event_file(basename(name))}
    for place in of_a_folder(sorted(usual), events):
        file = _file(found[usual[place]], usual[place], place.as_posix())
        with suppress(Exception):  # whatever a file system raises: what cannot be read is no log
            if place.name == STATE or _begins_as_a_log(system, file):
                yield file


@lru_cache(maxsize=10_000)
def _begins_as_a_log(system: Any, file: RemoteFile) -> bool:
    return counts_steps(system.cat_file(file.path, start=0, end=HEAD)[:HEAD])


def _is_log(file: RemoteFile) -> bool:
    name = basename(file.name)
    return not _is_event_file(name) and not is_tail(name)


def _file(info: Mapping[str, Any], path: str, name: str, *, alone: bool = False) -> RemoteFile:
    stamp = "|".join(str(info[key]) for key in _STAMPS if info.get(key) is not None)
    return RemoteFile(path, name, info.get("size"), stamp, alone)


def _is_event_file(name: str) -> bool:
    return bool(name) and is_events(name)  # "": the mark that buckets have for a folder


def _stays_inside(name: str) -> bool:
    """Names in a bucket are any text: none may lead out of the copy."""
    parts = name.split("/")
    return "\0" not in name and "\\" not in name and not {"", ".", ".."} & set(parts)


def _folder(name: str) -> PurePosixPath:
    return PurePosixPath(name).parent


@cache
def _tidy(address: str) -> None:
    """Make room among the copies before one is asked for, once in a process."""
    home = _home(address)
    make_room(home.parent, home, _most())


def _most() -> int:
    """Bytes that all copies may take, of what no longer is asked for."""
    given = os.environ.get("TB_LOSSDIAG_COPIES_MB", "")
    return int(given) * 2**20 if given.isdecimal() else _MOST


def _home(address: str) -> Path:
    """Where the copy of an address is, with what is known of each of its files."""
    return own_caches() / "copies" / hashlib.sha256(address.encode()).hexdigest()[:24]
