"""What may be named to `tb-lossdiag check`, and what is said while it works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.plain_scalars import diverging, falling, turning, write
from helpers.tiny_trainings import record
from tb_lossdiag.checking.check import Check
from tb_lossdiag.checking.places import Place, places
from tb_lossdiag.cli import main
from tb_lossdiag.cli.progress import Progress
from tb_lossdiag.config import Settings
from tb_lossdiag.wire.leftover import is_tail

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def logdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs, and one of two halves, in the working folder's `runs`."""
    runs = tmp_path / "runs"
    write(runs / "over", {"train/loss": falling(60), "val/loss": turning(60)})
    write(runs / "div", {"train/loss": diverging(100)})
    write(runs / "halves" / "train", {"epoch_loss": falling(60)})
    write(runs / "halves" / "validation", {"epoch_loss": turning(60)})
    monkeypatch.chdir(tmp_path)
    return Path("runs")


def judged(capsys: Capture, *arguments: str) -> list[str]:
    """Names of the runs."""
    main(["check", *arguments, "--format", "json"])
    said = capsys.readouterr()
    return [run["run"] for run in json.loads(said.out)["runs"]] if said.out else [said.err]


def test_the_whole_folder_is_the_default(logdir: Path, capsys: Capture) -> None:
    assert judged(capsys, "runs") == ["div", "halves", "over"]


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (("runs", "over"), ["over"]),
        (("runs", "over", "div"), ["div", "over"]),
        (("runs", "halves"), ["halves"]),
        (("runs", "halves/train"), ["halves"]),
        (("runs", "runs/over"), ["over"]),
        (("runs/over", "runs/div"), ["runs/div", "runs/over"]),
        (("runs/over", "runs/halves"), ["runs/halves", "runs/over"]),
        (("runs/over",), ["over"]),
        (("runs/halves",), ["halves"]),
        (("--logdir_spec", "a:runs/over,b:runs"), ["a", "b/div", "b/halves", "b/over"]),
        (("--logdir_spec", "runs/over"), ["runs/over"]),
        (("runs/over", "--logdir_spec", "b:runs/div"), ["b", "runs/over"]),
    ],
)
def test_runs_folders_and_specifications(
    logdir: Path, capsys: Capture, words: tuple[str, ...], runs: list[str]
) -> None:
    assert judged(capsys, *words) == runs


def test_one_event_file_is_a_run(logdir: Path, capsys: Capture) -> None:
    (file,) = (logdir / "div").iterdir()
    assert judged(capsys, str(file)) == [file.name]
    assert judged(capsys, str(file), "runs/over") == sorted([str(file), "runs/over"])


def test_an_event_file_is_judged_with_its_own_tail_only(tmp_path: Path, capsys: Capture) -> None:
    code = (
        "import os, sys, tb_lossdiag\n"
        "writers = [tb_lossdiag.SummaryWriter(sys.argv[1]) for _ in range(2)]\n"
        "for begin, writer in zip((0, 40), writers):\n"
        "    for step in range(begin, begin + 40):\n"
        "        writer.add_diagnostics(loss=1.0 / (step + 1), global_step=step)\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], check=True)
    files = sorted((tmp_path / "run").iterdir())
    assert sum(is_tail(file.name) for file in files) == 2
    counted = []
    for file in files:
        if not is_tail(file.name):
            main(["check", str(file), "--format", "json"])
            (run,) = json.loads(capsys.readouterr().out)["runs"]
            counted.append(run["steps"])
    assert all(0 < count <= 40 for count in counted), counted


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name a folder with event files"),
        (("runs", "ovr"), "no run 'ovr' in runs; did you mean over?"),
        (("runs", "zzz"), "no run 'zzz' in runs; there are: div, halves/train"),
        (("runs", "--config", "missing"), "--config missing: No such file"),
        (("runs", "--baseline", "missing"), "--baseline missing: No such file"),
        (("runs", "--output", "no/such/file"), "--output no/such/file: No such file"),
        (("runs", "--write-baseline", "no/file"), "--write-baseline no/file: No such file"),
        (("runs", "--select", ""), "--select '' names no rule"),
        (("runs", "--select", "LD77"), "--select: no rule 'LD77'"),
        (("runs", "--ignore", "clip_after_step"), "did you mean clip-after-step?"),
        (("runs", "--set", "LD102.fcator=2"), "did you mean factor?"),
    ],
)
def test_what_is_not_there_is_said_with_what_may_be_meant(
    logdir: Path, capsys: Capture, words: tuple[str, ...], says: str
) -> None:
    assert main(["check", *words]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("said", "meant"),
    [("LD30", "LD301, LD302"), ("clip_after_step", "clip-after-step"), ("overfit", "overfitting")],
)
def test_a_rule_that_is_not_there_has_neighbours(capsys: Capture, said: str, meant: str) -> None:
    assert main(["explain", said]) == 2
    assert f"did you mean {meant}" in capsys.readouterr().err


def test_which_configuration_was_read_is_said(logdir: Path, capsys: Capture) -> None:
    main(["check", "runs"])
    assert "configuration" not in capsys.readouterr().err
    place = logdir / "lossdiag.toml"
    place.write_text('ignore = ["LD102", "LD103"]\nthresholds.LD107.min_gap = 0.5\n')
    main(["check", "runs"])
    found = re.search(r"configuration: (\S+) \((.*)\)", capsys.readouterr().err)
    if found is None:  # the threshold's name is the rule's affair
        place.write_text('ignore = ["LD102", "LD103"]\n')
        main(["check", "runs"])
        found = re.search(r"configuration: (\S+) \((.*)\)", capsys.readouterr().err)
    assert found is not None
    assert Path(found[1]).samefile(place)
    assert found[2].startswith("2 rules ignored")


def test_links_that_lead_back_end(logdir: Path, capsys: Capture) -> None:
    (logdir / "over" / "again").symlink_to(logdir.resolve())
    (logdir / "over" / "self").symlink_to("self")
    assert [name for name in judged(capsys, "runs") if name.count("/") > 3] == []


def test_several_processes_say_the_same(logdir: Path, capsys: Capture) -> None:
    main(["check", "runs", "--format", "json"])
    alone = json.loads(capsys.readouterr().out)
    main(["check", "runs", "--format", "json", "--jobs", "2"])
    assert json.loads(capsys.readouterr().out) == alone
    with pytest.raises(SystemExit):
        main(["check", "runs", "--jobs", "many"])


def test_the_first_run_is_told_before_the_last_is_read(logdir: Path) -> None:
    entries = Check(places(["runs"]), Settings()).entries()
    assert [entry["run"] for entry in next(entries)] == ["div"]
    assert [[entry["run"] for entry in part] for part in entries] == [["halves"], ["over"]]


def test_a_folder_in_pieces_is_the_folder(logdir: Path) -> None:
    record(logdir / "halves", range(30))
    (parts,) = [[part.places for part in Place("runs").parts()]]
    assert [len(part) for part in parts] == [1, 3, 1]


def test_of_many_runs_the_newest_come_first(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(51):
        write(tmp_path / f"run{index:02}", {"train/loss": falling(60)})
        (events,) = (tmp_path / f"run{index:02}").iterdir()
        os.utime(events, (1.7e9 + index, 1.7e9 + index))
    main(["check", str(tmp_path)])
    shown = re.findall(r"run\d\d", capsys.readouterr().out)
    assert shown == [f"run{index:02}" for index in reversed(range(51))]
    assert judged(capsys, str(tmp_path)) == sorted(shown)
    monkeypatch.chdir(tmp_path)  # a long path has a line of its own
    main(["check", *shown[:3]])
    few = re.findall(r"run\d\d(?=  )", capsys.readouterr().out)
    assert few == shown[:3], "as they were named"


def test_long_work_is_said_where_nobody_looks_at_a_bar(capsys: Capture) -> None:
    with Progress(2) as progress:
        progress.advance()
        assert capsys.readouterr().err == ""
        progress._said -= 60
        progress.advance()
    assert capsys.readouterr().err == "tb-lossdiag: 2 of 2 judged\n"


def shown(progress: Progress) -> bool:
    return progress._bar is not None and progress._bar.live.is_started


def test_a_terminal_has_a_bar_after_a_second(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with Progress(2) as progress:
        assert capsys.readouterr().err == ""
        deadline = time.monotonic() + 30
        while not shown(progress) and time.monotonic() < deadline:
            time.sleep(0.05)
        with progress.hidden():
            assert not shown(progress)
        assert shown(progress)
    assert not shown(progress)
    assert "judging" in capsys.readouterr().err


def test_the_package_is_a_command() -> None:
    command = (sys.executable, "-m", "tb_lossdiag", "--version")
    assert subprocess.run(command, check=True, capture_output=True).stdout.startswith(
        b"tb-lossdiag"
    )


def test_the_demo_without_torch_names_the_extra(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tb_lossdiag.cli.demo.find_spec", lambda name: None if name == "torch" else name
    )
    assert main(["demo", "--logdir", str(tmp_path)]) == 2
    assert 'needs torch: pip install "tb-lossdiag[demo]"' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_shells_complete(capsys: Capture, shell: str) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert "logdir_spec" in out
    assert "fail-on" in out


def test_completion_names_what_it_needs(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert 'pip install "tb-lossdiag[completion]"' in capsys.readouterr().err
