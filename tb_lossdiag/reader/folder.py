"""Opens a folder of event files the way TensorBoard's own Python loader does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

from tb_lossdiag.reader import scalars
from tb_lossdiag.schema import PLUGIN

_SMALL = 25 * 2**20
"""Bytes of event files up to which every plain scalar is kept: about half a million of them, 1 KB each in the Python loader."""


def scalar_limit(logdir: str) -> int:
    """Values of a plain scalar tag that `open_folder` keeps: 0 for all in small folders, else as many as TensorBoard itself."""
    size = 0
    for folder, _, names in os.walk(Path(logdir).expanduser()):
        for name in names:
            if "tfevents" in name:
                size += _size(Path(folder, name))
                if size > _SMALL:
                    return scalars.DEFAULT_LIMIT
    return 0


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def open_folder(logdir: str) -> Any:
    """A `DataProvider` over everything that lies in a folder now.

    The Python loader is used on purpose: when it returns, all is read; TensorBoard's data server cannot say when it is done.

    Args:
        logdir: a local folder; runs are its sub-folders with event files.

    Raises:
        FileNotFoundError: there is no such folder.
        NotADirectoryError: it is a file.
    """
    path = Path(logdir).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no such folder: {logdir}")
    if not path.is_dir():
        raise NotADirectoryError(f"not a folder: {logdir}")
    multiplexer = EventMultiplexer(
        tensor_size_guidance={PLUGIN: 0, scalars.PLUGIN_NAME: scalar_limit(str(path))}
    )
    multiplexer.AddRunsFromDirectory(str(path))
    multiplexer.Reload()
    return MultiplexerDataProvider(multiplexer, str(path))
