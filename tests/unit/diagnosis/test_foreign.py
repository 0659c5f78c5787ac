"""Rules of other packages: a slow one is asked no more, a clumsy one costs its own answer, ours are asked straight away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from tb_lossdiag.diagnosis import foreign, timed
from tb_lossdiag.diagnosis.engine import Verdict, judge
from tb_lossdiag.diagnosis.foreign import Failed, asked, said
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Rule, Severity, Text
from tb_lossdiag.diagnosis.timed import TooLong
from tb_lossdiag.quantities import LOSS, Quantity
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

RUN = Run("run", {LOSS.name: table(LOSS, [0, 1, 2], [3.0, 2.0, 1.0])})


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message today")


def rule(check: Callable[[Run], Iterator[Finding]]) -> Rule:
    """A rule of a class of its own."""

    @dataclass(frozen=True)
    class Some:
        code: ClassVar[str] = "X1"
        name: ClassVar[str] = "x"
        severity: ClassVar[Severity] = Severity.WARNING
        title: ClassVar[Text] = Text("title")
        reads: ClassVar[tuple[Quantity, ...]] = (LOSS,)
        may_read: ClassVar[tuple[Quantity, ...]] = ()
        explains: ClassVar[tuple[str, ...]] = ()

        def check(self, run: Run) -> Iterator[Finding]:
            return check(run)

    return Some()


def raising(error: BaseException) -> Rule:
    def check(run: Run) -> Iterator[Finding]:
        raise error

    return rule(check)


def endless(run: Run) -> Iterator[Finding]:
    while True:
        time.sleep(0.001)


def test_a_rule_that_is_slow_three_times_is_asked_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(foreign, "SECONDS", 0.02)
    monkeypatch.setattr(timed, "_PAUSE", 5.0)  # a busy machine may be slow to end it
    late = rule(endless)
    for _ in range(3):
        with pytest.raises(Failed, match=r"took longer than 0\.02 s$"):
            asked(late, RUN)
    with pytest.raises(Failed, match="several times and is not asked again"):
        asked(late, RUN)
    with pytest.raises(Failed, match=r"took longer than 0\.02 s$"):
        asked(rule(endless), RUN)  # another class has strikes of its own


def test_one_that_cannot_be_ended_is_asked_no_more_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def within(seconds: float, work: object) -> list[Finding]:
        raise TooLong(ended=False)

    monkeypatch.setattr(foreign, "within", within)
    late = rule(endless)
    for said_first in ("s$", "not asked again"):
        with pytest.raises(Failed, match=said_first):
            asked(late, RUN)


def test_what_a_rule_does_to_its_records_happens_to_copies() -> None:
    def check(run: Run) -> Iterator[Finding]:
        for made in (run[LOSS].values, run[LOSS].steps, run[LOSS].walltimes):
            made[:] = 0
        return iter(())

    assert asked(rule(check), RUN) == []
    assert RUN[LOSS].values[:, 0].tolist() == [3.0, 2.0, 1.0]
    assert RUN[LOSS].steps.tolist() == [0, 1, 2]


def test_findings_may_come_in_a_list_and_a_generator_is_closed() -> None:
    closed: list[bool] = []
    found = Finding("X1", Severity.INFO, "", (Evidence("loss", "", 0, 2),), Text("m"), Text("a"))

    def listing(run: Run) -> Iterator[Finding]:
        return [found]  # type: ignore[return-value]  # what a newcomer writes

    def generating(run: Run) -> Iterator[Finding]:
        try:
            while True:
                yield found
        finally:
            closed.append(True)

    assert asked(rule(listing), RUN) == [found]
    with pytest.raises(Failed, match="more than 200 findings"):
        asked(rule(generating), RUN)
    assert closed == [True]


def test_an_exit_fails_the_rule_with_a_trace_and_an_interrupt_is_passed_on() -> None:
    with pytest.raises(Failed, match="SystemExit: 3") as told:
        asked(raising(SystemExit(3)), RUN)
    assert "raise error" in told.value.trace
    with pytest.raises(KeyboardInterrupt):
        asked(raising(KeyboardInterrupt()), RUN)


def test_a_reason_for_not_enough_is_checked_too() -> None:
    with pytest.raises(NotEnough, match="5 records"):
        asked(raising(NotEnough(Text("{n} records").format(n=5))), RUN)
    broken = NotEnough(Text("records"))
    broken.needs = "records"  # type: ignore[assignment]  # what it must not be
    with pytest.raises(Failed, match="the reason of NotEnough is str"):
        asked(raising(broken), RUN)


def test_an_exception_is_a_line_whatever_its_class_makes_of_that() -> None:
    assert said(ValueError("oops")) == "ValueError: oops"
    assert said(UnreadableError()) == "UnreadableError: (its message cannot be read)"
    assert len(said(ValueError("o" * 1000))) == 500


@pytest.mark.parametrize("ours", [True, False])
def test_an_interrupt_ends_the_diagnosis_and_any_other_error_fails_the_rule(*, ours: bool) -> None:
    for error in (KeyboardInterrupt(), ZeroDivisionError("oops"), SystemExit(1)):
        broken = raising(error)
        if ours:
            type(broken).__module__ = "tb_lossdiag.rules.made"
        assert foreign.own(broken) is ours
        if isinstance(error, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                judge(RUN, broken)
            continue
        outcome, found = judge(RUN, broken)
        assert (outcome.verdict, found) == (Verdict.FAILED, [])
        assert outcome.reason is not None
        assert outcome.reason.en.startswith(type(error).__name__)
        assert "raise error" in outcome.trace
