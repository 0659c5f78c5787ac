"""The part of the clinic abroad that runs with every change: some trainings that were judged rightly when they were chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from clinic import abroad
from clinic.abroad import first
from clinic.abroad.report import figures, report, score, side_by_side
from clinic.case import Case
from clinic.report import report as report_at_home
from clinic.run import visits
from clinic.score import named_first
from clinic.visit import Named, Result

from tb_lossdiag import SummaryWriter

pytestmark = pytest.mark.timeout(900)
"""Whoever comes first waits for all trainings."""

MODULES = (
    "attention",
    "attention_faults",
    "embeddings",
    "games",
    "policies",
    "contrastive",
    "detection",
    "diffusion",
    "language",
    "reports",
    "lightning_loops",
    "series",
    "speech",
    "tabular",
    "vision",
    "sealed_beginners",
    "sealed_schedules",
    "sealed_targets",
    "sealed_generators",
    "sealed_sequences",
    "sealed_policies",
    "sealed_students",
    "sealed_lightning",
    "sealed_transformers",
    "sealed_second",
    "sealed_third",
    "sealed_third_losses",
    "sealed_third_densities",
    "sealed_third_sequences",
    "sealed_third_generators",
    "sealed_third_policies",
    "sealed_third_fields",
    "sealed_third_lightning",
    "sealed_third_transformers",
)
"""They need nothing beyond the development requirements."""

SOUND = (
    "a-variational-autoencoder",
    "gpt2-learns-a-language",
    "halves-are-matched",
    "gradients-reset-before-each-step",
    "noise-is-predicted",
    "the-next-hour-by-memory",
    "validated-in-eval",
    "vit-reads-digits",
    "who-leaves",
)
FAULTY = (
    "a-gate-whose-layers-both-begin-at-zero",
    "a-cell-that-is-empty",
    "a-loss-made-to-require-a-gradient",
    "a-row-of-targets-for-a-column",
    "a-student-without-its-logarithm",
    "fewer-frames-than-symbols",
    "gradients-reset-before-each-part",
    "labels-shifted-before-the-model-shifts-them",
    "noise-through-a-sigmoid",
    "probabilities-into-a-loss-of-ones-own",
)
CLOCKED = {"LD804"}
"""Judged by the clock, which a machine that does other things as well may bend."""


@pytest.fixture(scope="module")
def results() -> Mapping[str, Result]:
    """What the diagnosis says about the chosen trainings."""
    assert not abroad.load(MODULES)
    cases = [abroad.ABROAD[name] for name in (*SOUND, *FAULTY)]
    return {case.name: result for case, result in visits(cases, seeds=1, jobs=2)}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_training_raises_no_alarm(name: str, results: Mapping[str, Result]) -> None:
    assert not results[name].ended
    assert not set(results[name].serious) - CLOCKED, results[name]


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_named_first(name: str, results: Mapping[str, Result]) -> None:
    assert named_first(abroad.ABROAD[name], results[name]), results[name]


def test_no_rule_raises(results: Mapping[str, Result]) -> None:
    assert not {name: result.failed for name, result in results.items() if result.failed}


def test_every_fault_names_its_source_and_every_case_says_what_it_is() -> None:
    abroad.load(MODULES)
    for case in abroad.ABROAD.values():
        assert case.healthy == (not case.source), case.name
        assert case.train.__doc__, case.name


def made(name: str, *expected: str, **more: Any) -> Case:
    settings = {"also": (), "family": "MLP", "source": "", "hard": False, "hint": False}
    return Case(name, _train, expected, **{**settings, "seeds": 1, "thresholds": (), **more})


def _train(writer: SummaryWriter) -> None:
    """Trains nothing."""


def said(*causes: tuple[str, str], told: tuple[str, ...] = (), ended: str = "") -> Result:
    named = tuple(Named(code, severity, "", "") for code, severity in causes)
    codes = tuple(code for code, severity in causes if severity != "info")
    return Result("made", 0, named, (), (), 0.0, (), (*codes, *told), ended)


VISITS = [
    (made("named", "LD501"), said(("LD501", "error"))),
    (made("second", "LD501"), said(("LD104", "warning"), ("LD501", "error"))),
    (made("folded", "LD501"), said(("LD104", "warning"), told=("LD501",))),
    (made("missed", "no code yet", hard=True), said(("LD308", "info"))),
    (made("sound"), said(("LD609", "info"))),
    (made("alarmed"), said(("LD201", "error"))),
    (made("dead"), said(ended="ValueError: no")),
]


def test_named_anywhere_at_top_level_and_first_are_told_apart() -> None:
    total = score(VISITS)
    assert (total.faulty, total.named, total.top, total.first) == (4, 3, 2, 1)
    assert (total.healthy, total.alarmed, total.errors, total.ended) == (3, 1, 1, 1)


def test_the_report_names_what_fails_and_the_readme_reads_it() -> None:
    text = report(VISITS)
    count, rows, failing = figures(text)
    assert count == "7"
    assert rows["all"] == ["4", "3 (75 %)", "2 (50 %)", "1 (25 %)", "3", "1", "1", "1"]
    assert rows["without the hard ones"][:2] == ["3", "3 (100 %)"]
    assert failing == ["alarmed", "dead", "folded", "missed", "second"]
    both = side_by_side(report_at_home(VISITS), text)
    assert both["home"] == ["4", "75 %", "50 %", "25 %", "3", "1"]
    assert both["all"] == both["home"]
    assert both["new, 2026-11-29, first two lots"][:2] == ["47", "40 %"]
    assert both["new, 2026-11-30, third lot"] == ["38", "45 %", "37 %", "37 %", "29", "3"]
    assert both["new, 2026-11-30, fourth lot"] == ["37", "46 %", "46 %", "43 %", "36", "4"]
    assert both["new, 2026-11-30, fifth lot"] == ["23", "78 %", "78 %", "70 %", "17", "2"]
    assert both["new, 2026-11-30, sixth lot"] == ["26", "54 %", "54 %", "54 %", "21", "4"]
    assert both["new, 2026-11-30, seventh lot"] == ["24", "67 %", "67 %", "62 %", "28", "1"]
    assert both["new, 2026-11-30, eighth lot"] == ["26", "46 %", "42 %", "42 %", "28", "3"]
    assert both["new, 2026-12-01, ninth lot"] == ["25", "44 %", "44 %", "44 %", "9", "0"]
    assert both["new, 2026-12-01, tenth lot"] == ["20", "45 %", "40 %", "40 %", "10", "0"]
    assert "| second lot of that day (`sealed_second*`) | 9d68290 | 9 | 5 (56 %) | 8 | 0 |" in text
    assert (
        "| third lot, of 2026-11-30 (`sealed_third*`) | cf471f4 | 38 | 17 (45 %) | 29 | 3 |" in text
    )
    assert both["without the hard ones"][1] == "100 %"
    assert (
        "- `dead` (1): Trains nothing. Wanted nothing; said the training ended (ValueError: no)."
        in text
    )
    assert "| missed (hard) | MLP |" in text


def test_a_lot_that_keeps_what_it_missed_keeps_all_of_it() -> None:
    for lot in first.LOTS:
        if lot.missed:
            assert len(lot.missed) == lot.faults - lot.named
            assert len(lot.wrongly) == lot.alarmed
