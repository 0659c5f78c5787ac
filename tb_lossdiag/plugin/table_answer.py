"""A table of a run as bytes: what was recorded, or what is derived from it."""

from __future__ import annotations

from tensorboard import errors

from tb_lossdiag.analysis.derived import DERIVED, RANGES, available
from tb_lossdiag.plugin.query import TablePart
from tb_lossdiag.plugin.table_bytes import WindowedTable, encode
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run


def encoded(run: Run, quantity: Quantity, part: TablePart) -> bytes:
    """These columns and steps of it.

    Raises:
        InvalidArgumentError: there is no such column.
        NotFoundError: it was not recorded.
    """
    windowed = _windowed(run, quantity)
    count = len(windowed.table.columns)
    if any(index >= count for index in part.columns):
        raise errors.InvalidArgumentError(f"columns: {quantity.name} has only {count}")
    chosen = windowed.only(part.columns) if part.columns else windowed
    return encode(chosen, part.window, part.planes)


def _windowed(run: Run, quantity: Quantity) -> WindowedTable:
    if quantity.name in available(run):
        table, ranges = DERIVED[quantity.name][2](run), RANGES.get(quantity.name)
        return (
            WindowedTable.plain(table)
            if ranges is None
            else WindowedTable.ranging(table, *ranges(run))
        )
    if quantity not in run:
        raise errors.NotFoundError(
            f"{quantity.name} was not recorded in run {run.name[:200]!r}: {quantity.how}"
        )
    return WindowedTable.of(run, quantity)
