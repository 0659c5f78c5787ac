"""What probes of a copy of the model add to a healthy run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from made.healthy import healthy_run
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

STEP = 128


def probed(
    facts: Mapping[Quantity, float], name: str = "", words: Mapping[str, str] | None = None
) -> Run:
    """A healthy run whose model was probed once, and gave these answers."""
    run = healthy_run(1)
    tables = [table(q, [STEP], [[value]], (name,)) for q, value in facts.items()]
    known = {n: t for n, t in run.tables.items() if not n.startswith("probe_")}
    known |= {t.quantity.name: t for t in tables}
    return replace(run, tables=known, facts={**run.facts, **(words or {})})
