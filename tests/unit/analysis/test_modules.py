from __future__ import annotations

from dataclasses import replace

import numpy as np

from made.healthy import healthy_run
from made.modules import with_modules
from tb_lossdiag.analysis.levels import Span
from tb_lossdiag.analysis.modules import last_span, layout
from tb_lossdiag.quantities import Kind
from tb_lossdiag.records import Table

KINDS = {
    "0": Kind.LINEAR,
    "act": Kind.RELU,
    "drop": Kind.DROPOUT,
    "pool": Kind.POOLING,
    "1": Kind.LINEAR,
}
LAYOUT = layout(with_modules(healthy_run(0), KINDS))


def test_layout_is_the_chain_of_calls() -> None:
    assert LAYOUT.kinds == KINDS
    assert LAYOUT.last == {"1"}
    assert LAYOUT.feeders["act"] == "0"
    assert LAYOUT.kind("unknown") is Kind.OTHER


def test_feeders_are_places_in_their_own_model() -> None:
    kinds = {f"{model}/{name}": kind for model in ("G", "D") for name, kind in KINDS.items()}
    found = layout(with_modules(healthy_run(0), kinds)).feeders
    assert found["D/act"] == "D/0"
    assert found["G/pool"] == "G/drop"


def test_a_slash_in_a_modules_own_name_makes_no_model() -> None:
    run = with_modules(healthy_run(0), KINDS)
    columns = ("0", "act", "drop", "part/pool", "part/1")
    named = {name: replace(t, columns=columns) for name, t in run.tables.items() if _is_layout(t)}
    found = layout(replace(run, tables={**run.tables, **named})).feeders
    assert found == dict(zip(columns[1:], columns, strict=False))


def _is_layout(table: Table) -> bool:
    return table.quantity.frame == "module_layers"


def test_source_looks_through_dropout_and_what_it_is_told() -> None:
    assert LAYOUT.source("pool") == "act"
    assert LAYOUT.source("1") == "pool"
    assert LAYOUT.source("1", (Kind.DROPOUT, Kind.POOLING)) == "act"
    assert LAYOUT.source("0") is None


def test_before_weights() -> None:
    assert LAYOUT.before_weights() == {"pool"}
    assert LAYOUT.before_weights((Kind.DROPOUT, Kind.POOLING)) == {"act"}


def test_last_span_counts_records_with_a_value() -> None:
    values = np.array([1, np.nan, 5, 5, np.nan, 5])
    assert last_span(values, values > 2, 3) == Span(1, 3)
    assert last_span(values, values > 2, 4) is None
    ended = np.array([5.0, 5.0, 1.0])
    assert last_span(ended, ended > 2, 1) is None
