"""Verdicts that are kept are those of the very files, settings and program; whatever is wrong with them costs a reading."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.written_runs import write_run
from tb_lossdiag import __version__, diagnose
from tb_lossdiag.checking import check, known, parts, workers
from tb_lossdiag.checking.places import places as meant
from tb_lossdiag.cli import main
from tb_lossdiag.config import Settings
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.records import table


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs that were written a while ago, and an empty cache."""
    monkeypatch.delenv(known.OFF, raising=False)
    monkeypatch.setenv("TB_LOSSDIAG_CACHE", str(tmp_path / "caches"))
    logdir = tmp_path / "runs"
    for run in ("one", "two"):
        _write(logdir / run)
    return logdir


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Runs that were read."""
    seen: list[str] = []

    def noted(part: parts.Part, settings: Any) -> parts.Judged:
        seen.append(part.name)
        return parts.judge(part, settings)

    monkeypatch.setattr(workers, "judge", noted)
    return seen


def _write(run: Path, scale: float = 1.0, age: float = 60.0) -> Path:
    steps = np.arange(50)
    write_run(run, [table(LOSS, steps, scale * np.exp(-steps / 9.0))], began=1.7e9)
    path = run / "events.out.tfevents.0.made"
    _age(path, age)
    return path


def _age(path: Path, seconds: float = 60.0) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def _verdicts(folder: Path) -> list[Path]:
    return sorted((folder.parent / "caches" / "tb-lossdiag" / "verdicts").iterdir())


def _kept(folder: Path) -> list[str]:
    """The runs on which there are verdicts, of all files of them."""
    files = (zlib.decompress(path.read_bytes()) for path in _verdicts(folder))
    return sorted(line.split(b"\t")[0].decode() for file in files for line in file.split(b"\n")[1:])


def test_what_has_not_changed_is_not_read_again(folder: Path, read: list[str]) -> None:
    first = diagnose(folder).document
    assert diagnose(folder).document == first
    assert list(diagnose(folder).document["runs"][0]) == list(first["runs"][0])
    assert read == ["one", "two"]
    assert [run["run"] for run in first["runs"]] == ["one", "two"]


def _grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + path.read_bytes()[-100:])


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _replaced(path: Path) -> None:
    """Another file of the same size and time."""
    before, fresh = path.stat(), path.with_name("fresh")
    fresh.write_bytes(path.read_bytes())
    os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
    fresh.replace(path)


def _written_over(path: Path) -> None:
    """The same size and time, elsewhere another byte."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-10] ^= 1
    time.sleep(0.02)  # a clock tick of the file system
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _joined(path: Path) -> None:
    path.with_name("events.out.tfevents.1.more").write_bytes(path.read_bytes())


def _with_a_tail(path: Path) -> None:
    path.with_name("lossdiag.0.made.tail").write_bytes(b"")


CHANGES = (_grown, _cut, _replaced, _written_over, _joined, _with_a_tail)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_whatever_changes_is_read_again(
    change: Callable[[Path], None], folder: Path, read: list[str]
) -> None:
    diagnose(folder)
    change(folder / "two" / "events.out.tfevents.0.made")
    again = diagnose(folder).document
    assert read == ["one", "two", "two"]
    assert again == diagnose(folder, cache=False).document


def test_a_run_that_is_gone_is_gone(folder: Path, read: list[str]) -> None:
    diagnose(folder)
    (folder / "two" / "events.out.tfevents.0.made").unlink()
    assert [run.name for run in diagnose(folder)] == ["one"]
    assert len(_kept(folder)) == 1


def test_a_run_of_another_name_is_another(folder: Path, read: list[str]) -> None:
    diagnose(folder)
    (folder / "two").rename(folder / "three")
    assert [run.name for run in diagnose(folder)] == ["one", "three"]
    assert read == ["one", "two", "three"]
    assert len(_kept(folder)) == 2


def test_what_another_process_has_kept_meanwhile_stays(folder: Path, read: list[str]) -> None:
    """Both begin with nothing, and each is the first to judge one of the runs."""
    where = meant([str(folder)])
    settings = Settings()
    first, second = (check.Check(where, settings, known=True) for _ in range(2))
    ahead = first.entries()
    next(ahead)
    behind = second.entries()
    next(behind)
    _age(folder / "two" / "events.out.tfevents.0.made", 0.0)
    assert [len(list(rest)) for rest in (ahead, behind)] == [1, 1]
    assert len(_kept(folder)) == 1
    _age(folder / "two" / "events.out.tfevents.0.made")
    third, fourth = (check.Check(where, settings, known=True) for _ in range(2))
    begun = third.entries()
    next(begun)
    list(fourth.entries())
    list(begun)
    assert len(_kept(folder)) == 2
    assert len(read) == 6
    diagnose(folder, config=False)
    assert len(read) == 6


def test_two_processes_at_once_say_the_same(folder: Path) -> None:
    for run in map(str, range(20)):
        _write(folder / run)
    words = [sys.executable, "-m", "tb_lossdiag.cli", "check", str(folder), "--format", "json"]
    alone = diagnose(folder, cache=False).to_json()
    both = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(2)]
    assert [one.communicate()[0].decode().strip() for one in both] == [alone, alone]
    assert len(_kept(folder)) == 22


def test_what_was_judged_stays_when_the_rest_is_not_waited_for(folder: Path) -> None:
    entries = check.Check(meant([str(folder)]), Settings(), known=True).entries()
    next(entries)
    del entries
    assert len(_kept(folder)) == 1


_READS = """
import os, sys
opened = []
sys.addaudithook(lambda event, words: opened.append(str(words[0])) if event == "open" else None)
from tb_lossdiag.cli import main
main(["check", sys.argv[1], "--format", "json"])
print([path for path in opened if path.startswith(sys.argv[1])], file=sys.stderr)
print(sorted({"torch", "tensorboard.compat.tensorflow_stub", "fsspec", "pandas"} & {*sys.modules}), file=sys.stderr)
"""


def test_an_unchanged_run_is_not_opened(folder: Path) -> None:
    """A process of its own: audit hooks stay for ever."""
    words = [sys.executable, "-c", _READS, str(folder)]
    first, again = (
        subprocess.run(words, capture_output=True, text=True, check=True) for _ in range(2)
    )
    assert first.stdout == again.stdout
    assert "tfevents" in first.stderr
    assert again.stderr.splitlines()[-2:] == ["[]", "[]"]


def test_what_grows_while_it_is_read_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def growing(part: parts.Part, settings: Any) -> parts.Judged:
        judged = parts.judge(part, settings)
        path = folder / part.name / "events.out.tfevents.0.made"
        _grown(path)
        _age(path)
        return judged

    monkeypatch.setattr(workers, "judge", growing)
    diagnose(folder)
    assert _verdicts(folder) == []


def test_what_was_written_just_now_is_not_kept(folder: Path) -> None:
    _write(folder / "one", age=0.0)
    diagnose(folder)
    assert len(_kept(folder)) == 1


@pytest.mark.parametrize(
    "how",
    [
        {"language": "zh-CN"},
        {"select": "LD1"},
        {"ignore": "LD1"},
        {"thresholds": {"LD101.max_survived": 0.5}},
    ],
    ids=str,
)
def test_other_wishes_are_other_verdicts(
    how: dict[str, Any], folder: Path, read: list[str]
) -> None:
    first = diagnose(folder).document
    other = diagnose(folder, **how).document
    assert len(read) == 4
    assert other == diagnose(folder, cache=False, **how).document
    assert diagnose(folder).document == first
    assert len(read) == 6


def test_another_program_judges_anew(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnose(folder)
    monkeypatch.setattr(known, "_program", lambda: f"after {__version__}")
    diagnose(folder)
    assert len(read) == 4


def test_rules_of_others_are_asked_again(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "own", lambda rule: rule.code != "LD101")
    diagnose(folder)
    diagnose(folder)
    assert len(read) == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda _: b"",
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        lambda _: zlib.compress(b"[1, 2]"),
        lambda _: zlib.compress(b'{"about": 1, "pool": 2}'),
        lambda data: zlib.compress(zlib.decompress(data) + b"\n"),
        lambda data: zlib.compress(zlib.decompress(data).replace(b'"entries"', b'"entrees"')),
        lambda data: zlib.compress(zlib.decompress(data).replace(b'"about":"', b'"about":"x')),
        lambda data: zlib.compress(
            re.sub(rb'"pool":.*', b'"pool":[]}', zlib.decompress(data), count=1)
        ),
    ],
    ids=[
        "cut",
        "empty",
        "a bit",
        "another kind",
        "another shape",
        "a line too many",
        "a part is missing",
        "another's",
        "no pool",
    ],
)
def test_a_damaged_verdict_is_none(
    damage: Callable[[bytes], bytes], folder: Path, read: list[str]
) -> None:
    first = diagnose(folder).document
    for path in _verdicts(folder):
        path.write_bytes(damage(path.read_bytes()))
    assert diagnose(folder).document == first
    assert len(read) == 4
    diagnose(folder)
    assert len(read) == 4, "a whole one has taken its place"


def test_nothing_is_kept_where_nothing_can_be(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = diagnose(folder, cache=False).document
    (folder.parent / "caches").write_text("in the way")
    assert diagnose(folder).document == first

    def full(*_: Any, **__: Any) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    (folder.parent / "caches").unlink()
    monkeypatch.setattr(tempfile, "mkstemp", full)
    assert diagnose(folder).document == first
    monkeypatch.undo()
    monkeypatch.setenv("TB_LOSSDIAG_CACHE", str(folder.parent / "caches"))
    monkeypatch.delenv(known.OFF, raising=False)
    monkeypatch.setattr(os, "fdopen", full)
    assert diagnose(folder).document == first
    assert _verdicts(folder) == []


def test_a_folder_that_others_may_write_is_not_trusted(folder: Path) -> None:
    diagnose(folder)
    place = folder.parent / "caches" / "tb-lossdiag" / "verdicts"
    assert place.stat().st_mode & 0o077 == 0
    place.chmod(0o777)
    assert known._folder() is None


@pytest.mark.parametrize("how", ["option", "argument", "environment"])
def test_it_can_be_switched_off(
    how: str, folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "environment":
        monkeypatch.setenv(known.OFF, "1")
    for _ in range(2):
        if how == "option":
            main(["check", str(folder), "--no-cache", "--format", "json"])
        else:
            diagnose(folder, cache=how != "argument")
    assert len(read) == 4
    assert not (folder.parent / "caches").exists()


def test_nothing_lies_beside_the_runs(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    diagnose(folder)
    assert sorted(folder.rglob("*")) == before


def test_a_rule_that_failed_is_asked_again(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "_lasts", lambda entry: entry["run"] != "one")
    diagnose(folder)
    assert len(_kept(folder)) == 1
    assert not known._lasts({"run": "one"})
    monkeypatch.undo()
    assert not known._lasts({"status": "unreadable", "outcomes": []})
    assert not known._lasts({"status": "healthy", "outcomes": [{"outcome": "failed"}]})
    assert known._lasts({"status": "healthy", "outcomes": [{"outcome": "clear"}]})


def test_what_nobody_asks_for_makes_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diagnose(folder, select="LD1")
    diagnose(folder, select="LD2")
    old, asked = sorted(_verdicts(folder), key=lambda path: path.stat().st_mtime_ns)
    _age(old, 1000.0)
    _age(asked, 2000.0)
    diagnose(folder, select="LD2")
    monkeypatch.setattr(known, "_MOST", 2 * old.stat().st_size)
    diagnose(folder, select="LD3")
    assert len(_verdicts(folder)) == 2
    assert old not in _verdicts(folder)
    assert asked in _verdicts(folder), "what was asked for is as good as new"


def test_several_processes_say_the_same(folder: Path) -> None:
    alone = diagnose(folder, cache=False).document
    assert diagnose(folder, jobs=2).document == alone
    assert diagnose(folder, jobs=2).document == alone
    assert len(_kept(folder)) == 2


def test_help_is_asked_for_where_it_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    helpers = workers.Workers(None, 400)
    monkeypatch.setattr(helpers, "_most", 2)
    monkeypatch.setattr(workers, "idle_cores", lambda: 2)
    for took, done, left, worth in (
        (0.5, 10, 390, False),
        (1.5, 10, 10, False),
        (1.5, 10, 90, True),
    ):
        helpers._took, helpers._done, helpers._left = took, done, left
        assert helpers._worth_it() == worth
    monkeypatch.setattr(workers, "idle_cores", lambda: 1)
    assert not helpers._worth_it(), "others use the cores"
    assert check.Check([], Settings()).parts == []


@pytest.mark.parametrize(
    ("load", "own", "all_of_them", "idle"),
    [(0.2, 8, 8, 8), (5.6, 8, 8, 2), (9.0, 8, 8, -1), (32.0, 4, 64, 2), (None, 4, 4, 4)],
)
def test_cores_that_others_use_are_not_idle(
    load: float | None, own: int, all_of_them: int, idle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loads() -> tuple[float, float, float]:
        if load is None:
            raise OSError("nobody knows")
        return load, 0.0, 0.0

    monkeypatch.setattr(os, "getloadavg", loads, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: all_of_them)
    monkeypatch.setattr(workers, "_cores", lambda: own)
    assert workers.idle_cores() == idle


def test_without_processes_this_one_judges(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(workers, "ProcessPoolExecutor", none)
    assert len(diagnose(folder, jobs=2, cache=False)) == 2
