"""The gauges, for Prometheus to fetch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from tb_lossdiag.watching.gauges import HELP, PREFIX, points
from tb_lossdiag.watching.oversight import Oversight

_HERE = "127.0.0.1"
EXTRA = "pip install 'tb-lossdiag[prometheus]'"


def serve(oversight: Oversight, address: str) -> int:
    """Answer at `PORT` of this machine alone, or at `HOST:PORT`, in a thread that ends with the process.

    Returns:
        The port.

    Raises:
        OSError: the port is taken.
        ValueError: the package is not installed, or the address is none.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise ValueError(f"--prometheus {address!r}: write it as PORT or HOST:PORT")
    try:
        from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(f"--prometheus needs prometheus-client: {EXTRA}") from error
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(oversight))
    server, _thread = start_http_server(int(port), host or _HERE, registry)
    return int(server.server_port)


class _Collector:
    """Makes the gauges when it is asked: what is gone has no stale series."""

    def __init__(self, oversight: Oversight) -> None:
        self._oversight = oversight

    def collect(self) -> Iterator[Any]:
        """One family per gauge."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        more = {"info": ["job"], "findings": ["code", "severity"]}
        families = {
            name: GaugeMetricFamily(PREFIX + name, text, labels=["run", *more.get(name, [])])
            for name, text in HELP.items()
        }
        for point in points(self._oversight.runs, time.time()):
            families[point.gauge].add_metric([value for _, value in point.labels], point.value)
        yield from families.values()
