"""`tb-lossdiag fleet`: what is wrong with many runs, from the tables that `check --format parquet` wrote."""

from __future__ import annotations

import argparse
import json

from tb_lossdiag.cli.output import console, put
from tb_lossdiag.report.formats import as_json


def run(arguments: argparse.Namespace) -> int:
    """Print which causes there are, how often, since when and with which settings; or what SQL asks for.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: DuckDB is not installed, or a file, the condition or the query is not understood.
    """
    from tb_lossdiag.fleet import text  # noqa: PLC0415  (asked for)
    from tb_lossdiag.fleet.database import Database  # noqa: PLC0415
    from tb_lossdiag.fleet.summary import summary  # noqa: PLC0415

    fleet = Database(arguments.tables, arguments.where)
    with console(arguments.output) as out:
        if arguments.sql:
            names, rows = fleet.rows(arguments.sql)
            if arguments.format == "json":
                found = [dict(zip(names, row, strict=True)) for row in rows]
                put(out, as_json(json.loads(json.dumps(found, default=str))))
            else:
                out.print(text.rows(names, rows))
        elif arguments.format == "json":
            put(out, as_json(summary(fleet)))
        else:
            for part in text.lines(summary(fleet), arguments.lang):
                out.print(part)
    return 0
