"""The tables as views of DuckDB, and what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tb_lossdiag.fleet.table import EXTRA

_FLEET = """
CREATE TABLE fleet AS SELECT * FROM read_parquet(?, union_by_name := true) WHERE {where}
QUALIFY row_number() OVER (PARTITION BY run ORDER BY newest DESC NULLS LAST) = 1
"""
_VIEWS = """
CREATE VIEW findings AS
    SELECT run, begun, newest, unnest(findings, max_depth := 2) FROM fleet;
CREATE VIEW settings AS
    SELECT run, unnest(map_keys(settings)) AS name, unnest(map_values(settings)) AS value FROM fleet;
CREATE VIEW outcomes AS
    SELECT run, unnest(map_keys(outcomes)) AS code, unnest(map_values(outcomes)) AS outcome FROM fleet;
CREATE VIEW runs AS SELECT * EXCLUDE (findings, settings, outcomes) FROM fleet;
"""


class Database:
    """Tables of runs, asked with SQL.

    Args:
        paths: of the files; of several rows of one run that of the newest record counts.
        where: a condition of SQL on the columns of a run, "" for none.

    Raises:
        OSError: a file is not there.
        ValueError: DuckDB is not installed, a file is no table of runs, or the condition is not understood.
    """

    def __init__(self, paths: Sequence[str], where: str = "") -> None:
        """Read the files."""
        try:
            import duckdb  # noqa: PLC0415  (an extra)
        except ImportError as error:
            raise ValueError(f"fleet needs DuckDB: {EXTRA}") from error
        for path in paths:
            if "://" not in path and not Path(path).exists():
                raise FileNotFoundError(f"no such file: {path}")
        self._error: type[Exception] = duckdb.Error
        self._connection = duckdb.connect()
        self._ask("SET TimeZone = 'UTC'")
        self._ask(_FLEET.format(where=where or "true"), [list(paths)])
        self._ask(_VIEWS)

    def rows(self, query: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Names of columns, and rows.

        Raises:
            ValueError: the query is not understood.
        """
        result = self._ask(query)
        return tuple(column[0] for column in result.description), result.fetchall()

    def _ask(self, query: str, given: Sequence[Any] = ()) -> Any:
        try:
            return self._connection.execute(query, given or None)
        except self._error as error:
            raise ValueError(str(error)) from error
