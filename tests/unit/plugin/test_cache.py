"""What the tab keeps, and what it lets go of."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from tb_lossdiag.diagnosis.engine import Diagnosis
from tb_lossdiag.plugin.cache import (
    ByteCache,
    CachedRun,
    CachedRuns,
    Key,
    ReadRun,
    Together,
    weight,
)
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.records import table
from tb_lossdiag.run import Run


def _run(records: int = 10_000) -> Run:
    steps = np.arange(records)
    return Run("run", {LOSS.name: table(LOSS, steps, np.ones(records))})


def _read(cases: CachedRuns, key: Key, run: Run) -> CachedRun:
    case = cases.of(key)
    case.read = ReadRun(run)
    case.version = "1"
    case.put("1", "en", {"status": "healthy"})
    cases.hold(key, run)
    return case


def test_a_thousand_runs_take_no_more_than_was_allowed_and_keep_their_rows() -> None:
    gone: list[Key] = []
    run = _run()
    cases = CachedRuns(40 * weight(run), gone.append)
    read = [_read(cases, ("", f"run {index}"), run) for index in range(1000)]
    assert cases.size <= 40 * weight(run)
    held = [case for case in read if case.read is not None]
    assert 20 <= len(held) <= 40
    assert held == read[-len(held) :], "the oldest go first"
    assert len(gone) == 1000 - len(held), "their reader is told"
    assert read[0].row("1", "en") == {"status": "healthy"}


def test_who_is_asked_for_again_stays() -> None:
    run = _run()
    cases = CachedRuns(3 * weight(run), lambda _key: None)
    first = _read(cases, ("", "first"), run)
    for index in range(10):
        _read(cases, ("", str(index)), run)
        cases.of(("", "first"))
    assert first.read is not None


def test_one_run_that_is_too_large_is_kept_alone() -> None:
    cases = CachedRuns(10, lambda _key: None)
    small = _read(cases, ("", "small"), _run(10))
    large = _read(cases, ("", "large"), _run())
    assert small.read is None
    assert large.read is not None


def test_what_is_not_listed_any_more_is_let_go_of() -> None:
    gone: list[Key] = []
    cases = CachedRuns(2**30, gone.append)
    for key in (("", "a"), ("", "b"), ("other", "b")):
        _read(cases, key, _run())
    cases.only("", ["a"])
    assert gone == [("", "b")]
    assert cases.of(("", "b")).read is None
    assert cases.of(("other", "b")).read is not None
    cases.only("", [])
    cases.only("other", [])
    assert cases.size == 0


def test_a_row_of_an_older_version_is_not_taken_for_the_new_one() -> None:
    case = CachedRun("1")
    case.put("1", "en", "row")
    case.put("1", "zh-CN", "row")
    assert case.row("1", "en") == "row"
    case.version = "2"
    case.put("1", "en", "late")
    assert case.row("2", "en") is None
    assert case.newest_row() == "row", "until there is a new one"
    case.put("2", "en", "new")
    assert case.row("2", "en") == case.newest_row() == "new"
    assert case.row("2", "zh-CN") is None


def test_a_run_is_judged_once_and_says_while_it_is() -> None:
    begun, go_on, judged = threading.Event(), threading.Event(), []
    read = ReadRun(_run(10))

    def judge(run: Run) -> Diagnosis:
        judged.append(run)
        begun.set()
        go_on.wait(60)
        return Diagnosis(run.name, (), ())

    case = CachedRun("1", read)
    busy = [case.busy]
    threads = [threading.Thread(target=read.diagnosis, args=[judge]) for _ in range(5)]
    for thread in threads:
        thread.start()
    begun.wait(60)
    busy.append(case.busy)
    go_on.set()
    for thread in threads:
        thread.join()
    assert [*busy, case.busy] == [False, True, False]
    assert judged == [read.run]


def test_answers_are_bounded_by_bytes() -> None:
    answers = ByteCache(100)
    made: list[int] = []

    def make(number: int) -> Callable[[], bytes]:
        def answer() -> bytes:
            made.append(number)
            return bytes(30)

        return answer

    for number in (0, 1, 2, 0, 3, 0, 1):
        answers.get(number, make(number))
    assert made == [0, 1, 2, 3, 1]


def test_who_asks_the_same_at_the_same_time_shares_the_work() -> None:
    together, begin, asked = Together(), threading.Event(), threading.Barrier(20)
    made: list[object] = []
    answers: list[object] = []

    def make() -> object:
        made.append(object())
        begin.wait(60)
        return made[-1]

    def ask() -> None:
        asked.wait(60)
        answers.append(together.get("question", make))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    while not made:
        threading.Event().wait(0.01)
    threading.Event().wait(0.3)
    begin.set()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert len(made) < 20, "a thread that came late may have begun anew"
    assert set(map(id, answers)) <= set(map(id, made))


def test_an_error_is_shared_too_and_forgotten() -> None:
    together = Together()
    with pytest.raises(ZeroDivisionError):
        together.get("question", lambda: 1 // 0)
    assert together.get("question", lambda: 2) == 2
