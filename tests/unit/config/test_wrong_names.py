"""What a configuration says that no rule fits is told with the file's name, by everyone who reads it: command line, tab, live."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.test import Client

from helpers.plain_scalars import diverging, write
from tb_lossdiag.cli import main
from tb_lossdiag.live.live import LiveSettings
from tb_lossdiag.plugin.plugin import LossDoctorPlugin
from tb_lossdiag.reader import open_folder

ACCEPTED = '[[suppress]]\nreason = "why"\n'
WRONG = [
    ("broken [", ""),
    ("selected = []", "there is no 'selected'"),
    ('select = ["LD1", "XY1"]', "select: no rule 'XY1'"),
    ('ignore = "no-such-rule"', "ignore: no rule 'no-such-rule'"),
    ("thresholds.LD102.nothing = 1", "thresholds: LD102 has no threshold 'nothing'"),
    ("thresholds.LD999.factor = 1", "thresholds: no rule 'LD999'"),
    (
        "thresholds.LD102.factor = nan",
        "thresholds: LD102.factor = nan is no number to compare with",
    ),
    (f"thresholds.LD102.factor = 1{'0' * 400}", "thresholds: LD102.factor = 1000"),
    (f"thresholds.LD107.min_records = -1{'0' * 400}", "thresholds: LD107.min_records = -1000"),
    (f'{ACCEPTED}code = "XY1"', "suppress: no rule 'XY1'"),
    (f'{ACCEPTED}code = "overfitting"', "suppress: no rule 'overfitting'"),
    (f'{ACCEPTED}code = "LD102"\nrow = "x"', "in suppress is no 'row'"),
]
WRONG_MAP = ("map.los = 'x'", "map: there is no quantity 'los'")


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    """A folder with a run that has a finding."""
    write(tmp_path / "runs" / "sick", {"train/loss": diverging(100)})
    return tmp_path / "runs"


def configure(logdir: Path, text: str) -> str:
    """The beginning of each message."""
    (logdir / "lossdiag.toml").write_text(text, "utf-8")
    return f"{logdir / 'lossdiag.toml'}: "


@pytest.mark.parametrize(("text", "says"), [*WRONG, WRONG_MAP])
@pytest.mark.parametrize("command", ["check", "compare"])
def test_the_command_line(
    logdir: Path, capsys: pytest.CaptureFixture[str], command: str, text: str, says: str
) -> None:
    beginning = configure(logdir, text)
    runs = ["sick", "sick"] if command == "compare" else []
    assert main([command, str(logdir), *runs]) == 2
    assert capsys.readouterr().err.startswith(f"tb-lossdiag: {beginning}{says}")


def _judged(client: Any) -> Any:
    """The listing, once the run in it has been judged."""
    end = time.monotonic() + 60
    answer = json.loads(client.get("/").text)
    while answer["runs"][0]["status"] == "reading" and time.monotonic() < end:
        time.sleep(0.05)
        answer = json.loads(client.get("/").text)
    return answer


@pytest.mark.parametrize(("text", "says"), [*WRONG, WRONG_MAP])
def test_the_tab(logdir: Path, text: str, says: str) -> None:
    beginning = configure(logdir, text)
    provider = open_folder(str(logdir))
    context = SimpleNamespace(
        data_provider=provider, logdir=str(logdir), sampling_hints={}, flags=None
    )
    app: Any = LossDoctorPlugin(context).get_plugin_apps()["/runs"]
    answer = _judged(Client(app))
    assert answer["configuration"]["file"] == str(logdir / "lossdiag.toml")
    assert answer["configuration"]["problem"].startswith(f"{beginning}{says}")
    assert [run["status"] for run in answer["runs"]] == ["broken"], "judged without it"


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_live(logdir: Path, text: str, says: str) -> None:
    beginning = configure(logdir, text)
    with pytest.raises(ValueError, match="lossdiag") as error:
        LiveSettings.of("print", None, str(logdir))
    assert str(error.value).startswith(f"{beginning}{says}")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--select", "LD1,XY1"], "--select: no rule 'XY1'"),
        (["--ignore", "XY1"], "--ignore: no rule 'XY1'"),
        (["--set", "LD102.factor=nan"], "--set 'LD102.factor=nan': LD102.factor = nan is no"),
        (["--map", "los=x"], "--map: there is no quantity 'los'"),
    ],
)
def test_an_option_is_not_blamed_on_the_file(
    logdir: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    configure(logdir, 'select = ["LD1"]\nthresholds.LD102.factor = 2\nmap.loss = "train/loss"')
    assert main(["check", str(logdir), *options]) == 2
    assert capsys.readouterr().err.startswith(f"tb-lossdiag: {says}")
