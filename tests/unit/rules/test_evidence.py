"""What a rule judged is shown: the number that decided lies on the recorded curve, or the evidence brings the derived series that it lies on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.rule_asserts import findings
from helpers.sick_runs import by_code, sick_run
from tb_lossdiag.diagnosis.rule import Evidence
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

WITHOUT_SERIES = {
    "LD105": "a correlation over half of the run: one number",
    "LD207": "a mean over all check-ups: one is mostly noise",
    "LD404": "a path that is not there: 0 of anything",
    "LD522": "shares of classes, counted over all check-ups",
    "LD902": "a number of records",
    "LD904": "a number of records",
    "LDR24": "a correlation over three quarters of the run: one number",
    "LD545": "a mean over check-ups: one is mostly noise",
    "LD546": "a mean over check-ups: one is mostly noise",
}
"""Rules that decide on one number of the whole run, which no series has, and why."""
CODES = [rule.code for rule in RULES]


def recorded(run: Run, piece: Evidence) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """All values of the window that a chart of the quantity shows, with those that stand beside them as extremes."""
    table = run.tables[piece.quantity]
    names = (piece.quantity, table.quantity.highest().name, table.quantity.lowest().name)
    tables = [t for t in map(run.tables.get, names) if t is not None and piece.column in t.columns]
    inside = [(t.steps >= piece.first_step) & (t.steps <= piece.last_step) for t in tables]
    return np.concatenate([t.column(piece.column)[i] for t, i in zip(tables, inside, strict=True)])


def is_shown(run: Run, piece: Evidence) -> bool:
    """Whether the number that decided is to be seen in the chart of this evidence."""
    if piece.observed is None or not math.isfinite(piece.observed):
        return True
    judged = piece.judged
    values = np.array(judged.values) if judged else recorded(run, piece)
    near = np.abs(values - piece.observed) <= 1e-3 * abs(piece.observed)
    between = judged is not None and values.min() <= piece.observed <= values.max()
    return bool(near.any() or between)


@pytest.mark.parametrize("code", CODES)
def test_the_number_that_decided_is_in_the_chart(code: str) -> None:
    run = sick_run(code)
    for finding in findings(by_code(code), run):
        piece = finding.evidence[0]
        assert is_shown(run, piece) or code in WITHOUT_SERIES, piece


@pytest.mark.parametrize("code", CODES)
def test_a_judged_series_has_its_deciding_point_in_the_window(code: str) -> None:
    for finding in findings(by_code(code), sick_run(code)):
        for piece in finding.evidence:
            judged = piece.judged
            if judged is None:
                continue
            assert judged.name.en
            assert len(judged.steps) == len(judged.values) <= 200
            assert piece.first_step <= judged.at <= piece.last_step
            assert judged.at in judged.steps
            assert judged.name.in_language("zh") != judged.name.en


def test_what_has_no_series_still_needs_none() -> None:
    assert set(CODES) >= set(WITHOUT_SERIES)
    shown = {
        code: all(
            is_shown(sick_run(code), f.evidence[0]) for f in findings(by_code(code), sick_run(code))
        )
        for code in WITHOUT_SERIES
    }
    assert not any(shown.values()), shown
