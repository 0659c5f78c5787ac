"""All tables of one training, as those who judge see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps, T, Table


@dataclass(frozen=True)
class LiveReport:
    """What was said of a finding while the training ran.

    Attributes:
        code: code of the rule.
        subject: what the finding is about.
        severity: "info", "warning" or "error".
        step: of the newest record by then.
        walltime: seconds since the epoch.
        cleared: whether it was said that it is no longer found.
    """

    code: str
    subject: str
    severity: str
    step: int
    walltime: float
    cleared: bool = False


@dataclass(frozen=True)
class Restart:
    """A place where a run was taken up again.

    Attributes:
        step: of the first record after it.
        walltime: seconds since the epoch.
        kind: "resumed" by another writer; "went back" to an earlier step in the same one; "renumbered": the user's step numbers began
            again, and records go on in one count; "beside": another writer was open at the same time and recorded the same.
        undone: records of earlier sessions that are hidden since they were done again, one for each of their steps.
        named: the user's own number of the step, where it is another one.
    """

    step: int
    walltime: float
    kind: str
    undone: int = 0
    named: int | None = None


@dataclass(frozen=True)
class Run:
    """All tables of one training.

    Attributes:
        name: run name, as TensorBoard shows it.
        tables: by quantity name.
        facts: what does not vary and only words the advice, e.g. {"optimizer": "AdamW"}.
        reported: what was said of findings while the training ran, in that order.
        restarts: where it was taken up again, in that order.
        closed: when its writer was closed last, in seconds since the epoch; None where that is not recorded.
    """

    name: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    reported: tuple[LiveReport, ...] = ()
    restarts: tuple[Restart, ...] = ()
    closed: float | None = None
    _kept: dict[Any, tuple[tuple[Table, ...], Any]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __getitem__(self, quantity: Quantity) -> Table:
        """The table of a quantity.

        Raises:
            KeyError: it was not recorded, or the rule that asks did not declare it in `reads`.
        """
        return self.tables[quantity.name]

    def __contains__(self, quantity: Quantity) -> bool:
        """Whether at least one record of the quantity exists."""
        table = self.tables.get(quantity.name)
        return table is not None and len(table) > 0

    @cached_property
    def recorded(self) -> frozenset[str]:
        """Names of the quantities of which at least one record exists."""
        return frozenset(name for name, table in self.tables.items() if len(table))

    def restricted(self, quantities: Iterable[Quantity]) -> Run:
        """The same run with these quantities alone."""
        names = _parts_of(tuple(quantities))
        tables = {name: t for name, t in self.tables.items() if name in names}
        some = Run(self.name, tables, self.facts, restarts=self.restarts, closed=self.closed)
        object.__setattr__(some, "_kept", self._kept)
        return some

    def cached(self, make: Callable[..., T], *tables: Table) -> T:
        """`make(*tables)`, worked out once for all who ask: this run and every `restricted` of it. Not to be written to."""
        key = make, *map(id, tables)
        if key not in self._kept:  # the tables are kept too, so that no other gets their id
            self._kept[key] = tables, make(*tables)
        found: T = self._kept[key][1]
        return found

    def highest(self, quantity: Quantity) -> Table:
        """The quantity's table with the largest value of each record's window instead of the one that stands for it."""
        return self._extreme(quantity, quantity.highest(), _larger)

    def lowest(self, quantity: Quantity) -> Table:
        """The same with the smallest."""
        return self._extreme(quantity, quantity.lowest(), _smaller)

    def highest_at(self, quantity: Quantity) -> Steps:
        """int64[T, C]: the step at which each record's largest value was."""
        table = self[quantity]
        lag = self.tables.get(quantity.highest_lag().name)
        lags = np.zeros(table.values.shape) if lag is None else lag.at(table.steps, table.columns)
        at: Steps = table.steps[:, None] - np.nan_to_num(lags).astype(np.int64)
        return at

    def highest_step(self, quantity: Quantity, row: int, column: int) -> int:
        """The step at which one record's largest value of a column was."""
        table = self[quantity]
        lag = self.tables.get(quantity.highest_lag().name)
        step = int(table.steps[row])
        if lag is None:
            return step
        return step - int(np.nan_to_num(lag.at(table.steps[[row]], [table.columns[column]])[0, 0]))

    def _extreme(
        self, quantity: Quantity, extreme: Quantity, pick: Callable[[Table, Table], Table]
    ) -> Table:
        table, other = self[quantity], self.tables.get(extreme.name)
        return table if other is None else self.cached(pick, table, other)

    def aligned(self, *quantities: Quantity) -> tuple[Table, ...]:
        """The tables on their common steps and columns (cadences may differ)."""
        tables = [self[quantity] for quantity in quantities]
        steps = tables[0].steps
        columns: tuple[str, ...] = tables[0].columns
        for table in tables[1:]:
            steps = np.intersect1d(steps, table.steps, assume_unique=True)
            columns = tuple(name for name in columns if name in table.places)
        return tuple(_restricted(table, steps, columns) for table in tables)

    def last_step(self) -> int | None:
        """Largest step of any record."""
        return max((int(t.steps[-1]) for t in self.tables.values() if len(t)), default=None)

    def first_step(self) -> int | None:
        """Smallest step of any record."""
        return min((int(t.steps[0]) for t in self.tables.values() if len(t)), default=None)


@lru_cache(maxsize=2048)
def _parts_of(quantities: tuple[Quantity, ...]) -> frozenset[str]:
    """Names of the tables that these quantities have, extremes among them: a rule asks for the same ones of every run."""
    return frozenset(name for quantity in quantities for name in _with_extremes(quantity))


def _with_extremes(quantity: Quantity) -> tuple[str, ...]:
    if not quantity.extremes:
        return (quantity.name,)
    parts = (quantity.highest(), quantity.highest_lag(), quantity.lowest())
    return (quantity.name, *(part.name for part in parts))


def _larger(table: Table, other: Table) -> Table:
    values = np.fmax(table.values, other.at(table.steps, table.columns))
    return replace(table, values=values)


def _smaller(table: Table, other: Table) -> Table:
    values = np.fmin(table.values, other.at(table.steps, table.columns))
    return replace(table, values=values)


def _restricted(table: Table, steps: Steps, columns: tuple[str, ...]) -> Table:
    if len(steps) == len(table) and columns == table.columns:
        return table
    walltimes = table.walltimes[np.isin(table.steps, steps)]
    return Table(table.quantity, columns, steps, walltimes, table.at(steps, columns))


if __name__ == "__main__":  # `torchrun -m tb_lossdiag.run train.py`: the command of that name
    import runpy
    import sys

    sys.argv.insert(1, "run")
    runpy.run_module("tb_lossdiag", run_name="__main__")
