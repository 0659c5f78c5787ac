"""Who hears of findings: what `on_finding` may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from tb_lossdiag.live.report import Callback, LiveFinding, TrainingStopped, printed
from tb_lossdiag.live.services.delivery import Delivery
from tb_lossdiag.live.services.message import Service
from tb_lossdiag.live.services.mlflow_tag import MlflowTag
from tb_lossdiag.live.services.trackio_alert import TrackioAlert
from tb_lossdiag.live.services.wandb_alert import WandbAlert
from tb_lossdiag.live.services.webhook import Webhook

_SERVICES: Mapping[str, Callable[[Any], Service]] = {
    "wandb": WandbAlert,
    "mlflow": MlflowTag,
    "trackio": TrackioAlert,
}
_EXPECTED = (
    'on_finding: expected a function, "print", "wandb", "mlflow", "trackio", an https:// address, a Webhook, '
    "a run of one of these packages, or a list of them"
)


class Hearers:
    """All who hear of a finding.

    Args:
        wanted: `on_finding` as it was given; None prints.
        run: name of the run.
        language: of the texts.

    Raises:
        TypeError: it is nothing that can hear.
        ValueError: a name or address that is not understood, or a package that is not installed.
    """

    def __init__(self, wanted: Any, run: str, language: str) -> None:
        """Ask nobody yet."""
        several = wanted if isinstance(wanted, list | tuple) else [wanted]
        self._all: Sequence[Callback] = [_hearer(one, run, language) for one in several]

    def __call__(self, reported: LiveFinding) -> None:
        """Tell all of them; that one of them raises keeps it from nobody."""
        raised = [error for hear in self._all if (error := _raised(hear, reported)) is not None]
        if raised:
            raise next((one for one in raised if isinstance(one, TrainingStopped)), raised[0])

    def finish(self) -> None:
        """The run ends: wait a little for what is on its way."""
        for hear in self._all:
            if isinstance(hear, Delivery):
                hear.finish()


def _raised(hear: Callback, reported: LiveFinding) -> Exception | None:
    try:
        hear(reported)
    except Exception as error:  # noqa: BLE001  (raised again when all have heard)
        return error
    return None


def _hearer(wanted: Any, run: str, language: str) -> Callback:
    if wanted is None or wanted == "print":
        return printed(language)
    service = _service(wanted)
    if service is not None:
        return Delivery(service, run, language)
    if not callable(wanted):
        raise TypeError(f"{_EXPECTED}; got {type(wanted).__name__}")
    hear: Callback = wanted
    return hear


def _service(wanted: Any) -> Service | None:
    if isinstance(wanted, Webhook):
        return wanted
    if isinstance(wanted, str):
        return _named(wanted)
    package = type(wanted).__module__.partition(".")[0]
    return _SERVICES[package](wanted) if package in _SERVICES else None


def _named(name: str) -> Service:
    if "://" in name:
        return Webhook(name)
    if name not in _SERVICES:
        raise ValueError(f"{_EXPECTED}; got {name!r}")
    if find_spec(name) is None:
        raise ValueError(f"on_finding: {name!r} needs the package: pip install {name}")
    return _SERVICES[name](None)
