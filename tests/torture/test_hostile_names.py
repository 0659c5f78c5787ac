"""Hostile names in everything that is printed or written: no control character, nothing that a reader of files takes for more than text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from helpers.hostile_names import NAMES, UNSEEN, folder_name, write_hostile
from tb_lossdiag.cli import main
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.live.report import LiveFinding, TrainingStopped
from tb_lossdiag.report.formats import as_json
from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.sarif import sarif
from tb_lossdiag.report.spreadsheet import spreadsheet
from tb_lossdiag.report.text import show
from tb_lossdiag.rules import RULES

Printed = Callable[..., str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with such names."""
    logdir = tmp_path_factory.mktemp("hostile")
    write_hostile(logdir)
    return logdir


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], runs: Path) -> Printed:
    """What a command prints, on both of its outputs; nothing of it may be unseen."""

    def run(*words: str) -> str:
        main([word.replace("RUNS", str(runs)) for word in words])
        said = capsys.readouterr()
        assert UNSEEN.search(said.out + said.err) is None
        return said.out + said.err

    return run


@pytest.fixture
def document(printed: Printed) -> Any:
    """The folder's diagnosis; a slow machine says behind it how far it got."""
    said = printed("check", "RUNS", "--format", "json", "--no-config")
    return json.JSONDecoder().raw_decode(said)[0]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("form", ["text", "markdown", "sarif"])
def test_nothing_unseen_is_printed(printed: Printed, form: str, language: str) -> None:
    said = printed("check", "RUNS", "--format", form, "--lang", language, "--no-config")
    assert "ALL HEALTHY" in said
    assert r"\x1b" in said or r"\u001b" in said


def test_json_says_every_name_as_it_is(document: Any) -> None:
    names = {run["run"] for run in document["runs"]}
    assert {folder_name(name) for name in NAMES.values()} <= names
    whole = next(run for run in document["runs"] if run["run"].startswith("0 "))
    assert set(NAMES.values()) <= set(whole["facts"])
    assert len(whole["findings"]) > 3


OUR_LINKS = re.compile(
    r"\x1b\]8;(id=\d+)?;(https://[\w./-]+/rules/LD(?:\d{3}|R\d{2})\.html)?\x1b\\"
)
"""What a terminal opens where a code is pressed: the rule's page in the manual, and the end of such a link."""


def test_a_terminal_gets_nothing_but_its_own_colours(document: Any) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    show(screen, document["runs"])
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[2J" not in text
    assert "\x1b]" not in OUR_LINKS.sub("", text)
    assert "\x9b" not in text


def test_a_spreadsheet_has_whole_rows_and_no_formula(document: Any) -> None:
    text = spreadsheet(document["runs"])
    assert UNSEEN.search(text.replace("\r\n", "\n")) is None
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert {len(row) for row in rows} == {13}
    assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "+", "@"))]


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_comparisons_print_nothing_unseen(printed: Printed, form: str) -> None:
    name = folder_name(NAMES["clears the screen"])
    said = printed("compare", "RUNS", f"0 {name}", f"1 {name}", "--format", form, "--no-config")
    assert "ALL HEALTHY" in said


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "RUNS", "\x1b[2J", "\u202e"),
        ("check", "RUNS/\x1b[2J\u202e"),
        ("check", "RUNS", "--config", "\x1b[2J.toml"),
        ("check", "RUNS", "--select", "\x1b[2J"),
        ("check", "RUNS", "--set", "LD101.\x1b[2J=3"),
        ("check", "RUNS", "--map", "loss=\x1b[2J", "--no-config"),
        ("check", "RUNS", "--baseline", "\x9b2J"),
        ("explain", "\x1b[2J"),
    ],
    ids=str,
)
def test_errors_print_nothing_unseen(printed: Printed, words: tuple[str, ...]) -> None:
    assert "tb-lossdiag" in printed(*words)


@pytest.mark.parametrize(
    "text",
    ['select = ["\\u001b[2J"]', '"\\u001b[2J\\u202e" = 1', "fail-on = '''\nbad'''", "\x1b[2J"],
)
def test_what_is_wrong_with_a_configuration_is_said_visibly(
    printed: Printed, tmp_path: Path, text: str
) -> None:
    place = tmp_path / "lossdiag.toml"
    place.write_text(text, "utf-8")
    assert "tb-lossdiag: " in printed("check", "RUNS", "--config", str(place))


def test_reasons_of_accepted_findings_are_visible(printed: Printed, tmp_path: Path) -> None:
    place = tmp_path / "lossdiag.toml"
    reason = "'''known\\n\\u001b'''".replace("'''", '"')
    place.write_text(f'[[suppress]]\ncode = "LD"\nreason = {reason}\n', "utf-8")
    for form in ("text", "markdown", "sarif"):
        said = printed("check", "RUNS", "--config", str(place), "--format", form)
        assert "known" in said


@pytest.mark.parametrize("kind", NAMES)
def test_what_is_said_while_the_training_runs_is_one_visible_line(kind: str) -> None:
    words = Text("Layer {name} is sick.").format(name=NAMES[kind])
    place = (Evidence("loss", NAMES[kind], 0, 1),)
    finding = Finding("LD101", Severity.ERROR, NAMES[kind], place, words, words)
    said = LiveFinding(finding, 3, "appeared")
    for text in (said.line(), said.line("zh-CN"), str(TrainingStopped.by(said))):
        assert UNSEEN.search(text) is None
        assert "\n" not in text


def test_half_a_character_takes_no_form_down(document: Any) -> None:
    """The name of a folder that is no UTF-8."""
    runs = [{**run, "run": f"bad\udcff{run['run']}"} for run in document["runs"]]
    screen = Console(file=io.StringIO(), width=100)
    show(screen, runs)
    log = sarif(runs, RULES, "runs", "en", "1")
    texts = [spreadsheet(runs), markdown(runs), as_json(runs), as_json(log)]
    for text in (*texts, screen.file.getvalue()):  # type: ignore[attr-defined]
        assert r"\udcff" in text
        assert text.encode()
    assert "bad%FF" in texts[-1], "a location is the folder's own bytes"
