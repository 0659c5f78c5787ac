"""What a training leaves behind: quantities, records, tables and runs.

Everything recorded is one idea: a *quantity* (what is measured, in which unit) over *columns* (what it is measured of: a
parameter, a loss term, the whole run) at *steps*. A `Record` is one step of one quantity, a `Table` all steps of it, a `Run` all
tables of one training. Nothing here knows about torch, TensorBoard or files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tb_lossdiag.quantities import Quantity

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """One quantity at one step.

    Attributes:
        quantity: what was measured.
        columns: what of, C names without repetition (not checked here: this is made at every step).
        values: float32[C]; NaN = not recorded.
    """

    quantity: Quantity
    columns: tuple[str, ...]
    values: Floats

    def __post_init__(self) -> None:
        """Check the shape once, so that nothing downstream has to."""
        if self.values.shape != (len(self.columns),):
            msg = f"{self.quantity.name}: {len(self.columns)} columns, values of shape {self.values.shape}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Table:
    """One quantity over a run.

    Attributes:
        quantity: what was measured.
        columns: C names; parameters in the order of `named_parameters()`, so the index is the depth.
        steps: int64[T], strictly increasing.
        walltimes: float64[T], seconds since the epoch.
        values: float32[T, C]; NaN = not recorded.
    """

    quantity: Quantity
    columns: tuple[str, ...]
    steps: Steps
    walltimes: Doubles
    values: Floats

    def __post_init__(self) -> None:
        """Check shapes and order once."""
        shape = (len(self.steps), len(self.columns))
        if self.values.shape != shape or self.walltimes.shape != self.steps.shape:
            msg = f"{self.quantity.name}: values {self.values.shape}, expected {shape}"
            raise ValueError(msg)
        if np.any(self.steps[1:] <= self.steps[:-1]):
            msg = f"{self.quantity.name}: steps must increase"
            raise ValueError(msg)

    def __len__(self) -> int:
        """Number of records T."""
        return len(self.steps)

    @property
    def unknown(self) -> bool:
        """Whether an optional quantity has no value at all, which counts as not recorded."""
        return self.quantity.optional and bool(np.isnan(self.values).all())

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Index of each column."""
        return {name: index for index, name in enumerate(self.columns)}

    def column(self, name: str) -> Floats:
        """float32[T] of one column; all NaN if there is no such column."""
        place = self.places.get(name)
        return np.full(len(self), np.nan, np.float32) if place is None else self.values[:, place]

    def at(self, steps: Steps, columns: Sequence[str] | None = None) -> Floats:
        """float32[len(steps), C]: the values at these steps and columns, NaN where not recorded. Not to be written to."""
        wanted = self.columns if columns is None else tuple(columns)
        rows = np.searchsorted(self.steps, steps)
        rows = np.minimum(rows, max(len(self) - 1, 0))
        found = self.steps[rows] == steps if len(self) else np.zeros(len(steps), bool)
        if wanted == self.columns and found.all():
            whole = len(steps) == len(self) and bool(np.all(np.diff(steps) > 0))
            return self.values if whole else self.values[rows]
        values: Floats = np.full((len(steps), len(wanted)), np.nan, np.float32)
        places = np.array([self.places.get(name, -1) for name in wanted], np.int64)
        there = np.flatnonzero(places >= 0)
        if len(self.columns):
            values[np.ix_(found, there)] = self.values[np.ix_(rows[found], places[there])]
        return values


@dataclass(frozen=True)
class Reported:
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
    """

    name: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    reported: tuple[Reported, ...] = ()
    restarts: tuple[Restart, ...] = ()
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

    def only(self, quantities: Iterable[Quantity]) -> Run:
        """The same run with these quantities alone."""
        names = {name for quantity in quantities for name in _with_extremes(quantity)}
        tables = {name: t for name, t in self.tables.items() if name in names}
        some = Run(self.name, tables, self.facts, restarts=self.restarts)
        object.__setattr__(some, "_kept", self._kept)
        return some

    def kept(self, make: Callable[..., T], *tables: Table) -> T:
        """`make(*tables)`, worked out once for all who ask: this run and every `only` of it. Not to be written to."""
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
        return table if other is None else self.kept(pick, table, other)

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


def table(
    quantity: Quantity,
    steps: npt.ArrayLike,
    values: npt.ArrayLike,
    columns: Sequence[str] = ("",),
    walltimes: npt.ArrayLike | None = None,
) -> Table:
    """Build a table from anything array-like; float32[T] values become one column.

    >>> from tb_lossdiag.quantities import LOSS
    >>> table(LOSS, [0, 1], [2.0, 1.5]).values.shape
    (2, 1)
    """
    at: Steps = np.asarray(steps, np.int64)
    matrix: Floats = np.asarray(values, np.float32).reshape(len(at), -1)
    times: Any = at if walltimes is None else walltimes
    return Table(quantity, tuple(columns), at, np.asarray(times, np.float64), matrix)
