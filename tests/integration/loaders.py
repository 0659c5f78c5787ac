"""Both of TensorBoard's loaders on a folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tensorboard.context import RequestContext
from tensorboard.data.server_ingester import SubprocessServerDataIngester, get_server_binary
from tensorboard.util import grpc_util

from tb_lossdiag.reader import open_folder
from tb_lossdiag.wire.schema import PLUGIN

Open = Callable[[str], Any]


_servers: list[SubprocessServerDataIngester] = []


def end_servers() -> None:
    """End every data server started so far: each ends when its standard input does."""
    while _servers:
        _servers.pop()._stdin_handle.close()


def python(logdir: str) -> Any:
    """The loader in TensorBoard's own process."""
    return open_folder(logdir)


def rust(logdir: str) -> Any:
    """The data server, once its listing has stopped changing (it cannot say when it is done)."""
    ingester = SubprocessServerDataIngester(
        get_server_binary(),
        logdir,
        reload_interval=1,
        channel_creds_type=grpc_util.ChannelCredsType.LOCAL,
        samples_per_plugin={PLUGIN: 0},
    )
    ingester.start()
    provider = ingester.data_provider
    _servers.append(ingester)
    _settle(provider)
    return provider


def _settle(provider: Any) -> None:
    before: object = None
    same, deadline = 0, time.monotonic() + 30
    while same < 4 and time.monotonic() < deadline:
        found = provider.list_tensors(RequestContext(), experiment_id="", plugin_name=PLUGIN)
        plain = provider.list_scalars(RequestContext(), experiment_id="", plugin_name="scalars")
        listed = (*found.items(), *plain.items())
        now = [(run, {tag: entry.max_step for tag, entry in tags.items()}) for run, tags in listed]
        same = same + 1 if now == before else 0
        before = now
        time.sleep(0.3)


LOADERS: dict[str, Open] = {"python": python, "rust": rust}
