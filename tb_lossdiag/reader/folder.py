"""Opens a folder of event files the way TensorBoard's own Python loader does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

from tb_lossdiag.reader import scalars
from tb_lossdiag.schema import PLUGIN

SCALAR_LIMIT = 20_000
"""Values of a plain scalar tag that are kept, about 1 KB each: twenty times what the tab sees, and no run fills the memory."""


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
        tensor_size_guidance={PLUGIN: 0, scalars.PLUGIN_NAME: SCALAR_LIMIT}
    )
    multiplexer.AddRunsFromDirectory(str(path))
    multiplexer.Reload()
    return MultiplexerDataProvider(multiplexer, str(path))
