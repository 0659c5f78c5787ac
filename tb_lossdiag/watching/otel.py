"""The gauges, sent by OpenTelemetry to wherever its own variables say (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_METRIC_EXPORT_INTERVAL` …)."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from tb_lossdiag.watching.gauges import HELP, PREFIX, points
from tb_lossdiag.watching.oversight import Oversight

EXTRA = "pip install 'tb-lossdiag[otel]'"


def send(oversight: Oversight) -> Callable[[], None]:
    """Send them now and then, in a thread.

    Returns:
        What sends the last ones and ends it.

    Raises:
        ValueError: the package is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
            OTLPMetricExporter,
        )
        from opentelemetry.metrics import Observation  # noqa: PLC0415
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(f"--otel needs OpenTelemetry: {EXTRA}") from error
    provider = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    meter = provider.get_meter("tb_lossdiag")
    known: dict[str, list[Any]] = {}

    def observed(_: Any, name: str) -> list[Any]:
        if name == next(iter(HELP)):  # gauges are asked in this order: all of a round are made once
            known.clear()
            for point in points(oversight.runs, time.time()):
                made = Observation(point.value, dict(point.labels))
                known.setdefault(point.gauge, []).append(made)
        return known.get(name, [])

    for name, text in HELP.items():
        asked = partial(observed, name=name)
        meter.create_observable_gauge(PREFIX + name, [asked], description=text)
    return lambda: provider.shutdown()  # noqa: PLW0108  (of no known type)
