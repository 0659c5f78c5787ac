"""What another machine would have recorded of the same training: longer windows, fewer check-ups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.quantities import BY_NAME, Combine, Quantity
from tb_lossdiag.records import Floats, Steps, Table
from tb_lossdiag.run import Run

_FREE, _LOOK = 512, 64
"""Records before the window of a quick training grows at first, and between two such growths."""
_WINDOWED = {quantity.frame for quantity in BY_NAME.values() if quantity.extremes} | {"group"}
_CHECK_UP = {"check_up", "call", "label", "module", "update", "element", "twins", "weight"}
ALWAYS = 10
"""Check-ups that take place whatever they cost."""


def hurried(run: Run, first: int = _FREE) -> Run:
    """The run in windows that grow as quickly as they can, from this record on."""
    steps = _clock(run)
    if len(steps) <= first:
        return run
    ends, size, at = steps[:first].tolist(), 2, first
    while at < len(steps):
        until = min(at + size * _LOOK, len(steps))
        ends += steps[at + size - 1 : until : size].tolist()
        at, size = until, 2 * size
    ends += [int(steps[-1])] if ends[-1] != steps[-1] else []
    return in_windows(run, np.array(ends, np.int64))


def half(run: Run) -> Run:
    """The run of somebody who looks at every second step: nothing is known of the others but how many they were."""
    steps = _clock(run)
    kept = steps[::2]
    tables = {}
    for name, table in run.tables.items():
        if table.quantity.frame not in _WINDOWED:
            tables[name] = table
        elif table.quantity.combine is Combine.SUM:
            tables[name] = _merged(table, kept)
        else:
            there = np.isin(table.steps, kept) | ~np.isin(table.steps, steps)
            tables[name] = _without(table, table.steps[~there])
    return replace(
        run, tables={n: t for n, t in tables.items() if not t.quantity.frame.endswith("_window")}
    )


def _clock(run: Run) -> Steps:
    """The steps of the records that windows are made of."""
    return run[q.LOSS if q.LOSS in run else q.STEPS].steps


def in_windows(run: Run, ends: Steps) -> Run:
    """The run with one record for all that lie between one of these steps and the next."""
    tables = dict(run.tables)
    for table in run.tables.values():
        if table.quantity.frame in _WINDOWED:
            tables[table.quantity.name] = _merged(table, ends)
            if table.quantity.extremes:
                tables |= {each.quantity.name: each for each in _extremes(run, table, ends)}
    return replace(run, tables=tables)


def _rows(table: Table, ends: Steps) -> list[Steps]:
    """Rows of each window that has any; what lies beyond the last end stays as it is."""
    place = np.searchsorted(ends, table.steps)
    return [np.flatnonzero(place == each) for each in np.unique(place)]


def _like(table: Table, quantity: Quantity, ends: Steps, values: list[Floats]) -> Table:
    rows = _rows(table, ends)
    last = np.array([each[-1] for each in rows], np.int64)
    places = np.searchsorted(ends, table.steps[last])
    steps = np.where(places < len(ends), ends[np.minimum(places, len(ends) - 1)], table.steps[last])
    matrix = np.array(values, np.float32).reshape(len(rows), -1)
    return Table(quantity, table.columns, steps, table.walltimes[last], matrix)


def _merged(table: Table, ends: Steps) -> Table:
    values = [_combined(table.quantity, table.values[rows]) for rows in _rows(table, ends)]
    return _like(table, table.quantity, ends, values)


def _combined(quantity: Quantity, values: Floats) -> Floats:
    last = _last(values)
    if len(values) == 1:
        return last
    if quantity.combine is Combine.SUM:
        whole: Floats = np.where(np.isnan(values).all(axis=0), np.nan, np.nansum(values, axis=0))
        return whole
    if quantity.combine is Combine.MEAN:
        finite = np.isfinite(values)
        mean = np.where(finite, values, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
        combined: Floats = np.where(finite.any(axis=0), mean, last)
        return combined
    return last


def _last(values: Floats) -> Floats:
    known = ~np.isnan(values)
    row = len(values) - 1 - np.argmax(known[::-1], axis=0)
    last: Floats = np.take_along_axis(values, row[None], axis=0)[0]
    return last


def _extremes(run: Run, table: Table, ends: Steps) -> list[Table]:
    high, low = run.highest(table.quantity).values, run.lowest(table.quantity).values
    at, rows = run.highest_at(table.quantity), _rows(table, ends)
    last = _merged(table, ends).steps
    top = [np.argmax(np.where(np.isnan(high[each]), -np.inf, high[each]), axis=0) for each in rows]
    lag = [
        last[number] - np.take_along_axis(at[each], top[number][None], axis=0)[0]
        for number, each in enumerate(rows)
    ]
    quantity = table.quantity
    return [
        _like(table, quantity.highest(), ends, [np.fmax.reduce(high[each]) for each in rows]),
        _like(table, quantity.lowest(), ends, [np.fmin.reduce(low[each]) for each in rows]),
        _like(table, quantity.highest_lag(), ends, [each.astype(np.float32) for each in lag]),
    ]


def busy(run: Run, every: int = 2) -> Run:
    """The run with every second of its later check-ups alone."""
    if q.CHECK_SECONDS not in run:
        return run
    steps = run[q.CHECK_SECONDS].steps
    late = np.arange(len(steps)) - ALWAYS
    gone = steps[(late >= 0) & (late % every != every - 1)]
    if not len(gone):
        return run
    tables = {
        name: _without(table, gone) if table.quantity.frame in _CHECK_UP else table
        for name, table in run.tables.items()
    }
    return replace(run, tables=tables)


def _without(table: Table, gone: Steps) -> Table:
    kept = ~np.isin(table.steps, gone)
    return replace(
        table, steps=table.steps[kept], walltimes=table.walltimes[kept], values=table.values[kept]
    )
