"""One table says which files a diagnosis can be; everything that offers them offers these."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.test import Client

from helpers.plain_scalars import diverging, write
from tb_lossdiag.cli import main
from tb_lossdiag.plugin.plugin import LossDoctorPlugin
from tb_lossdiag.reader import open_folder
from tb_lossdiag.report.formats import FORMATS

CLIENT = Path(__file__).parents[3] / "frontend" / "src" / "data" / "client.ts"


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """A folder with a run that has a finding."""
    write(tmp_path / "runs" / "sick", {"train/loss": diverging(100)})
    return tmp_path / "runs"


def served(logdir: Path, ending: str) -> Any:
    provider = open_folder(str(logdir))
    context = SimpleNamespace(
        data_provider=provider, logdir=str(logdir), sampling_hints={}, flags=None
    )
    app = LossDoctorPlugin(context).get_plugin_apps()["/report"]
    return Client(app).get("/", query_string={"format": ending})


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_the_command_line_is_the_tabs(logdir: Path, name: str) -> None:
    form, file = FORMATS[name], logdir.parent / "report"
    assert main(["check", str(logdir), "--format", name, "--output", str(file)]) == 1
    answer = served(logdir, form.ending)
    assert answer.headers["Content-Type"].startswith(form.media_type)
    assert f'filename="loss-doctor.{form.ending}"' in answer.headers["Content-Disposition"]
    assert answer.text.rstrip("\n") == file.read_bytes().decode().rstrip("\n")
    assert "LD102" in answer.text


def test_a_table_on_the_terminal_is_csv_too(
    logdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(logdir), "--format", "csv"]) == 1
    printed = capsys.readouterr().out
    assert printed.endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(printed, newline="")))
    assert {row["run"] for row in rows} == {"sick"}


def test_what_is_no_format_is_told_which_there_are(logdir: Path) -> None:
    with pytest.raises(Exception, match="md, json, csv, sarif"):
        served(logdir, "exe")


def test_the_page_offers_the_same() -> None:
    (listed,) = re.findall(r"REPORT_FORMATS = (\[.*?\]) as const", CLIENT.read_text("utf-8"))
    assert json.loads(listed) == [form.ending for form in FORMATS.values()]


def test_files_need_no_terminal() -> None:
    script = "import sys; import tb_lossdiag.report.formats, tb_lossdiag.plugin.routes; print('rich' in sys.modules)"
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert result.stdout.strip() == "False"
