"""What a diagnosis by all rules costs on a long run of a big model: `python tests/benchmark/diagnose.py [--records N] [--columns N]`.

The tables are those of a watch of 1,000 parameters that looked at 20,000 steps: gradients at every one, weights and updates at every
20th, 1,000 modules in each check-up. Once healthy, once as records of several steps each, with their extremes, once with every kind of
trouble that makes rules look closer. Seconds are CPU time of this process, memory is what the diagnosis allocates at its peak beside
the tables.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Diagnosis, diagnose, judge
from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.quantities import (
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LOSS,
    LOSS_NONFINITE,
    MODULE_FED_BY,
    Axis,
)
from tb_lossdiag.records import Floats, Steps, Table
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

_EVERY = 20
_SPARSE = {"weight", "update", "element"}


def healthy(records: int, columns: int) -> Run:
    """As a watch leaves it."""
    run = healthy_run(0, records, layers=columns // 2)
    steps = run[GRADIENT_NORM].steps
    tables = {name: _watched(table, steps, columns) for name, table in run.tables.items()}
    return replace(run, name="healthy", tables=tables)


def windowed(run: Run) -> Run:
    """The same with extremes, as if each record covered several steps."""
    table = run[GRADIENT_NORM]
    rng = np.random.default_rng(0)
    extremes = {
        GRADIENT_NORM.highest(): 1.5 * table.values,
        GRADIENT_NORM.lowest(): 0.7 * table.values,
        GRADIENT_NORM.highest_lag(): rng.integers(0, 4, table.values.shape).astype(np.float32),
    }
    added = {q.name: replace(table, quantity=q, values=v) for q, v in extremes.items()}
    return replace(run, name="windowed", tables={**run.tables, **added})


def sick(run: Run) -> Run:
    """Spikes, silence, explosion and NaN in many columns, and a loss that ends in NaN."""
    rng = np.random.default_rng(0)
    gradient, broken = run[GRADIENT_NORM].values.copy(), run[GRADIENT_NONFINITE].values.copy()
    records, columns = gradient.shape
    late = slice(records * 3 // 4, None)
    gradient[rng.integers(0, records, 5 * columns), rng.integers(0, columns, 5 * columns)] *= 300
    gradient[:, ::10] = 0.0
    gradient[late, 5::10] *= np.geomspace(1, 1e6, records - late.start)[:, None]
    gradient[-50:, 7::10], broken[-50:, 7::10] = np.nan, 12.0
    loss, flags = run[LOSS].values.copy(), run[LOSS_NONFINITE].values.copy()
    loss[-40:], flags[-40:] = np.nan, 1.0
    news = {GRADIENT_NORM: gradient, GRADIENT_NONFINITE: broken, LOSS: loss, LOSS_NONFINITE: flags}
    changed = {q.name: replace(run[q], values=values) for q, values in news.items()}
    return replace(run, name="sick", tables={**run.tables, **changed})


def _watched(table: Table, steps: Steps, columns: int) -> Table:
    """A table at the cadence and width that a watch gives it."""
    if table.quantity.frame in _SPARSE:
        return _at(table, steps[::_EVERY])
    if table.quantity.axis is Axis.MODULE and len(table) > 1:
        first = steps[[n for n in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256) if n < len(steps)]]
        return _widened(_at(table, np.union1d(first, steps[::512])), columns)
    return _widened(table, columns) if table.quantity.axis is Axis.MODULE else table


def _at(table: Table, steps: Steps) -> Table:
    """The same course at other steps."""
    rows = np.linspace(0, len(table) - 1, len(steps)).round().astype(np.int64)
    return Table(table.quantity, table.columns, steps, steps.astype(float), table.values[rows])


def _widened(table: Table, columns: int) -> Table:
    """As many copies of the same modules as make so many columns."""
    some = len(table.columns)
    copies = max(columns // some, 1)
    values: Floats = np.tile(table.values, (1, copies))
    if table.quantity is MODULE_FED_BY:  # its values are places of columns
        values = values + np.repeat(np.arange(copies) * some, some).astype(np.float32)
    names = tuple(f"block.{copy}.{name}" for copy in range(copies) for name in table.columns)
    return replace(table, columns=names, values=values)


def timed(run: Run, rule: Rule, rounds: int) -> float:
    """CPU seconds of a rule, the best of some rounds."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        judge(run, rule)
        seconds.append(time.process_time() - start)
    return min(seconds)


def whole(run: Run, rounds: int) -> tuple[Diagnosis, float]:
    """The diagnosis and its CPU seconds, the best of some rounds; a fresh run each, so that nothing is kept."""
    found, seconds = diagnose(run, ()), []
    for _ in range(rounds):
        start = time.process_time()
        found = diagnose(replace(run), RULES)
        seconds.append(time.process_time() - start)
    return found, min(seconds)


def peak(run: Run) -> int:
    """Bytes that a diagnosis allocates at its peak."""
    tracemalloc.start()
    diagnose(replace(run), RULES)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def report(run: Run, rounds: int) -> Iterator[str]:
    """What there is to say of a run."""
    size = sum(table.values.nbytes for table in run.tables.values())
    found, seconds = whole(run, rounds)
    memory = peak(run)
    codes = sorted({finding.code for finding in found.findings()})
    yield f"{run.name}: {seconds:.2f} s for {len(RULES)} rules; found {' '.join(codes) or 'nothing'}"
    yield f"  tables {size / 2**20:.0f} MB, and {memory / 2**20:.0f} MB at the peak beside them: {1 + memory / size:.2f} times the tables"
    slow = sorted(((timed(run, rule, rounds), rule.code) for rule in RULES), reverse=True)
    yield "  " + ", ".join(f"{code} {1e3 * s:.0f} ms" for s, code in slow[:12])


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    well = healthy(options.records, options.columns)
    for run in (well, windowed(well), sick(well)):
        print("\n".join(report(run, options.rounds)), flush=True)


if __name__ == "__main__":
    main()
