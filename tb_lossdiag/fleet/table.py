"""A row per run, with its findings and what was set, in Parquet: the schema is promised.

Pandas, Polars, DuckDB, Spark and Grafana read it; what they are told beside the rows is the version of the schema and of this package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tb_lossdiag.report.plain import plain

Json = Mapping[str, Any]

FORMAT = "parquet"
"""A format of the command line alone: it is bytes, and needs a package more."""
VERSION = 1
"""Stays for as long as every column keeps its name, type and meaning; columns may be added."""
EXTRA = "pip install 'tb-lossdiag[fleet]'"
_FINDING = {
    "code": "string",
    "name": "string",
    "title": "string",
    "severity": "string",
    "subject": "string",
    "first_step": "int64",
    "last_step": "int64",
    "ongoing": "bool",
    "message": "string",
    "explained_by": "string",
    "known": "bool",
}
_RUN = {
    "run": "string",
    "status": "string",
    "problem": "string",
    "steps": "int64",
    "begun": "time",
    "newest": "time",
    "loss_first": "float64",
    "loss_last": "float64",
    "loss_best": "float64",
    "validation_last": "float64",
    "validation_best": "float64",
    "gradient_norm_last": "float64",
    "clip_rate": "float64",
    "settings": "map",
    "findings": "findings",
    "outcomes": "map",
}
COLUMNS = (*_RUN, *(f"findings.{name}" for name in _FINDING))
"""As the manual names them."""
_MICRO = 1_000_000


def write(path: str, runs: Iterable[Json], measures: Mapping[str, Json], package: str) -> None:
    """Write a table.

    Args:
        path: of the file, which is whole or the one before.
        runs: of the document.
        measures: of each run that could be read, by its name.
        package: version of this one.

    Raises:
        OSError: the file cannot be written.
        ValueError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  (an extra)
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(f"--format parquet needs pyarrow: {EXTRA}") from error
    about = {"tb_lossdiag.schema": str(VERSION), "tb_lossdiag.version": package}
    schema, told = _schema(pa).with_metadata(about), list(runs)
    rows = [_row(run, measures.get(run["run"], {})) for run in told]
    *others, last = schema
    made = pa.Table.from_pylist(rows, schema=pa.schema(others, metadata=schema.metadata))
    made = made.append_column(last, _outcomes(pa, last.type, told))
    fresh = Path(f"{path}.part")
    parquet.write_table(made, fresh)
    fresh.replace(path)


def _schema(pa: Any) -> Any:
    kinds = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "map": pa.map_(pa.string(), pa.string()),
    }
    finding = pa.struct([(name, kinds[kind]) for name, kind in _FINDING.items()])
    kinds["findings"] = pa.list_(finding)
    return pa.schema([(name, kinds[kind]) for name, kind in _RUN.items()])


def _row(run: Json, measured: Json) -> dict[str, Any]:
    """One run; what was not recorded is null. Of its document only what stands here is spelled out: all of it would be half of the work."""
    times = {name: measured.get(name) for name in ("begun", "newest")}
    return {
        **{name: measured.get(name) for name in _RUN if _RUN[name] == "float64"},
        **{name: plain(run[name], name) for name in ("run", "status", "steps")},
        **{name: None if t is None else int(t * _MICRO) for name, t in times.items()},
        "problem": plain(run.get("problem", ""), "problem"),
        "settings": list({**plain(run["facts"]), **measured.get("settings", {})}.items()),
        "findings": list(_findings(run["findings"], "")),
    }


def _outcomes(pa: Any, kind: Any, runs: Iterable[Json]) -> Any:
    """What became of each rule in each run: the same in most of them, so each such list is made once."""
    places: dict[tuple[tuple[str, str], ...], int] = {}
    own = [
        places.setdefault(tuple((o["code"], o["outcome"]) for o in run["outcomes"]), len(places))
        for run in runs
    ]
    lists = [[(plain(code), outcome) for code, outcome in listed] for listed in places]
    return pa.array(lists, kind).take(pa.array(own, pa.int64()))


def _findings(findings: Iterable[Json], cause: str) -> Iterator[dict[str, Any]]:
    """Causes, each followed by what it explains."""
    for finding in findings:
        yield {
            **{name: plain(finding[name], name) for name in _FINDING if name in finding},
            "explained_by": plain(cause),
            "known": finding.get("known", False),
        }
        yield from _findings(finding["explains"], finding["code"])
