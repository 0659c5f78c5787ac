"""What is known of the runs as numbers with labels, few of them: layers are no labels, and a run has a hundred series at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tb_lossdiag.process.job import JOB_FACTS
from tb_lossdiag.watching.state import RunState, causes

PREFIX = "lossdiag_"
_MOST = 80
"""Series of findings of one run; those that are most often there."""
_MEASURES = {
    "loss": "loss_last",
    "validation_loss": "validation_last",
    "grad_norm": "gradient_norm_last",
    "clip_rate": "clip_rate",
}
HELP = {
    "info": "1 for a run, with the job of the scheduler that it belongs to",
    "steps": "optimizer steps",
    "last_step_seconds": "seconds since the newest record",
    "stuck": "1 while no step comes",
    "loss": "training loss of the newest record",
    "validation_loss": "validation loss of the newest record",
    "grad_norm": "global gradient norm of the newest record, before clipping",
    "clip_rate": "share of clips that changed the gradients",
    "findings": "causes that a rule has found",
}
"""Every gauge, and what it is."""


@dataclass(frozen=True)
class Point:
    """A number.

    Attributes:
        gauge: which.
        labels: of it.
        value: the number.
    """

    gauge: str
    labels: tuple[tuple[str, str], ...]
    value: float


def points(runs: Iterable[RunState], now: float) -> Iterator[Point]:
    """All of them."""
    for run in runs:
        named = (("run", run.name),)
        yield Point("info", (*named, ("job", _job(run))), 1.0)
        yield Point("steps", named, run.steps)
        yield Point("stuck", named, float(run.stuck))
        if run.newest is not None:
            yield Point("last_step_seconds", named, max(0.0, now - run.newest))
        for gauge, measure in _MEASURES.items():
            if (value := run.measures.get(measure)) is not None:
                yield Point(gauge, named, value)
        yield from _findings(run)


def _job(run: RunState) -> str:
    facts = run.entry.get("facts", {})
    return ", ".join(f"{name} {facts[name]}" for name in sorted(JOB_FACTS & facts.keys()))


def _findings(run: RunState) -> Iterator[Point]:
    counted = Counter((cause["code"], cause["severity"]) for cause in causes(run.entry))
    for (code, severity), count in counted.most_common(_MOST):
        labels = (("run", run.name), ("code", code), ("severity", severity))
        yield Point("findings", labels, count)
