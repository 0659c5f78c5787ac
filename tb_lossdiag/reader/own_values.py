"""What a loop hands over by `extra` under a name that agents' logs use is read as a scalar of that name would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tb_lossdiag.quantities import EXTRA
from tb_lossdiag.reader.phases import Source
from tb_lossdiag.reader.plan import rewarded
from tb_lossdiag.records import Table
from tb_lossdiag.run import Run


def with_own_values(run: Run) -> Run:
    """The run, with what it lacks of an agent's quantities taken from its own values; those stay as they are."""
    own = run.tables.get(EXTRA.name)
    if own is None:
        return run
    found = rewarded({name: Source("", name) for name in own.columns})
    missing = {q: columns for q, columns in found.items() if q.name not in run.tables}
    new = {q.name: replace(_of(own, columns), quantity=q) for q, columns in missing.items()}
    return replace(run, tables={**new, **run.tables}) if new else run


def _of(own: Table, columns: Mapping[str, Source]) -> Table:
    """These columns, at the steps at which one of them has a value."""
    places = [own.columns.index(source.tag) for source in columns.values()]
    values = own.values[:, places]
    there = ~np.isnan(values).all(axis=1)
    return Table(
        own.quantity, tuple(columns), own.steps[there], own.walltimes[there], values[there]
    )
