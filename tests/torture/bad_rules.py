"""Rules as clumsy or hostile packages may bring them: they raise, lie, loop, or touch what is not theirs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

import numpy as np

from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import LOSS, Quantity
from tb_lossdiag.run import Run

Check = Callable[[Run], Any]
CODE = "BAD101"
WORDS = Text("words")
NAN, INFINITE = float("nan"), float("inf")


def made(check: Check, code: str = CODE) -> Any:
    """A rule with this check, of a class of its own."""

    @dataclass(frozen=True)
    class Bad:
        """Bad."""

        name: ClassVar[str] = code.lower()
        severity: ClassVar[Severity] = Severity.WARNING
        title: ClassVar[Text] = WORDS
        reads: ClassVar[tuple[Quantity, ...]] = (LOSS,)
        may_read: ClassVar[tuple[Quantity, ...]] = ()
        explains: ClassVar[tuple[str, ...]] = ()

        def check(self, run: Run) -> Any:
            return check(run)

    Bad.code = code  # type: ignore[attr-defined]
    return Bad()


def finding(**changes: Any) -> Finding:
    """A sound finding but for these parts."""
    piece = Evidence("loss", "", 0, 1, 2.0, 1.0)
    return replace(Finding(CODE, Severity.WARNING, "", (piece,), WORDS, WORDS), **changes)


def seen(**changes: Any) -> Finding:
    """A finding whose evidence is sound but for these parts."""
    return finding(evidence=(replace(Evidence("loss", "", 0, 1), **changes),))


def _raising(error: Callable[[], BaseException]) -> Check:
    def check(_run: Run) -> NoReturn:
        raise error()

    return check


def _yielding(*values: Any) -> Check:
    return lambda _run: iter(values)


def _recursion(run: Run) -> Any:
    return _recursion(run)


def _loop(_run: Run) -> None:
    while True:
        pass


def _stubborn(_run: Run) -> None:
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.01)


def _deaf(_run: Run) -> None:
    for _ in range(
        1000
    ):  # ten seconds: nothing can end it, and the other tests want their processor
        with contextlib.suppress(BaseException):
            time.sleep(0.01)


def _late_first(_run: Run) -> Iterator[Finding]:
    yield finding()
    _loop(_run)


def _unending(_run: Run) -> Iterator[Finding]:
    while True:
        with contextlib.suppress(GeneratorExit):
            yield finding()


def _leaves(_run: Run) -> NoReturn:
    sys.exit("goodbye")


def _writes(run: Run) -> Iterator[Finding]:
    for table in run.tables.values():
        table.values[:] = NAN
        table.steps[:] = 0
        table.walltimes[:] = NAN
    yield finding(code="OTHER1")


def _empties(run: Run) -> Iterator[Finding]:
    run.tables.clear()  # type: ignore[attr-defined]
    run.facts.clear()  # type: ignore[attr-defined]
    return iter(())


def _spoils_what_is_kept(run: Run) -> Iterator[Finding]:
    run._kept.clear()
    object.__setattr__(run, "name", "other")
    return iter(())


def _prints(_run: Run) -> Iterator[Finding]:
    print("ALL HEALTHY")
    return iter(())


def _strict_numpy(_run: Run) -> Iterator[Finding]:
    np.seterr(all="raise")
    return iter(())


def _starts_threads(_run: Run) -> Iterator[Finding]:
    for _ in range(3):
        threading.Thread(target=time.sleep, args=(30,)).start()
    return iter(())


class _Speechless(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("no words")


class _Unfounded(NotEnough):
    def __init__(self) -> None:
        self.needs: Any = None


class _Crooked(Finding):
    @property
    def code(self) -> str:
        raise RuntimeError("not today")


class _Word(str):
    __slots__ = ()

    def encode(self, *_: Any) -> NoReturn:
        raise RuntimeError("no bytes")


class _Endless(Mapping[str, float]):
    def __getitem__(self, _: str) -> float:
        return 0.0

    def __iter__(self) -> Iterator[str]:
        return map(str, itertools.count())

    def __len__(self) -> int:
        return 1


FAILING: dict[str, Check] = {
    "raises": _raising(ZeroDivisionError),
    "raises_after_a_finding": lambda _run: (1 // 0 if n else finding() for n in range(2)),
    "raises_out_of_memory": _raising(MemoryError),
    "raises_a_long_story": _raising(lambda: ValueError("x" * 10**6)),
    "raises_without_words": _raising(_Speechless),
    "raises_stop_iteration": _raising(StopIteration),
    "raises_base_exception": _raising(BaseException),
    "raises_generator_exit": _raising(GeneratorExit),
    "raises_cancelled": _raising(asyncio.CancelledError),
    "raises_warning": _raising(lambda: UserWarning("careful")),
    "exits": _leaves,
    "recurs_for_ever": _recursion,
    "not_enough_without_reason": _raising(_Unfounded),
    "not_enough_of_a_str": _raising(lambda: NotEnough("more")),  # type: ignore[arg-type]
    "returns_none": lambda _run: None,
    "returns_a_number": lambda _run: 3,
    "returns_a_str": lambda _run: "all good",
    "returns_a_finding": lambda _run: finding(),
    "yields_none": _yielding(None),
    "yields_a_str": _yielding("sick"),
    "yields_a_mapping": _yielding({"code": CODE}),
    "yields_the_class": _yielding(Finding),
    "yields_a_crooked_finding": _yielding(_Crooked.__new__(_Crooked)),
    "wrong_code": _yielding(finding(code="LD101")),
    "code_is_none": _yielding(finding(code=None)),
    "severity_is_a_number": _yielding(finding(severity=2)),
    "severity_is_a_word": _yielding(finding(severity="error")),
    "subject_is_none": _yielding(finding(subject=None)),
    "subject_is_a_strange_str": _yielding(finding(subject=_Word("a"))),
    "no_evidence": _yielding(finding(evidence=())),
    "evidence_is_none": _yielding(finding(evidence=None)),
    "evidence_is_a_mapping": _yielding(finding(evidence=({"quantity": "loss"},))),
    "evidence_never_ends": _yielding(
        finding(evidence=itertools.repeat(Evidence("loss", "", 0, 1)))
    ),
    "much_evidence": _yielding(finding(evidence=(Evidence("loss", "", 0, 1),) * 1000)),
    "message_is_a_str": _yielding(finding(message="sick")),
    "message_is_none": _yielding(finding(message=None)),
    "message_lacks_a_value": _yielding(finding(message=Text("{sick}").format(well=1))),
    "message_is_huge": _yielding(finding(message=Text("x" * 10**7))),
    "message_is_half_a_character": _yielding(finding(message=Text("\ud800"))),
    "advice_is_bytes": _yielding(finding(advice=Text(b"act"))),  # type: ignore[arg-type]
    "numpy_steps": _yielding(seen(first_step=np.int64(0), last_step=np.int64(1))),
    "fractional_steps": _yielding(seen(first_step=0.5)),
    "nan_steps": _yielding(seen(first_step=NAN, last_step=NAN)),
    "infinite_steps": _yielding(seen(last_step=INFINITE)),
    "steps_beyond_any": _yielding(seen(last_step=2**70)),
    "steps_backwards": _yielding(seen(first_step=5)),
    "column_is_a_number": _yielding(seen(column=3)),
    "observed_is_numpy": _yielding(seen(observed=np.float32(1))),
    "observed_is_an_array": _yielding(seen(observed=np.ones(3))),
    "observed_is_a_word": _yielding(seen(observed="high")),
    "observed_is_beyond_any_float": _yielding(seen(observed=10**400)),
    "numbers_are_a_list": _yielding(finding(numbers=[1.0])),
    "numbers_are_complex": _yielding(finding(numbers={"z": 1j})),
    "numbers_never_end": _yielding(finding(numbers=_Endless())),
    "findings_never_end": lambda _run: itertools.repeat(finding()),
    "findings_never_end_nor_close": _unending,
    "201_findings": _yielding(*[finding()] * 201),
    "loops": _loop,
    "loops_after_a_finding": _late_first,
    "loops_and_catches_exceptions": _stubborn,
    "loops_and_catches_all": _deaf,
    "sleeps": lambda _run: time.sleep(30),
    "writes_into_the_run": _writes,
}
"""Kinds that end as "failed" with a reason."""

HARMLESS: dict[str, Check] = {
    "200_findings": _yielding(*[finding()] * 200),
    "nan_and_infinite_observations": _yielding(seen(observed=NAN, threshold=INFINITE)),
    "floats_of_numpy": _yielding(finding(numbers={"half": np.float64(0.5)})),
    "terminal_escapes": _yielding(finding(subject="\x1b[2J", message=Text("\u202e"))),
    "empties_the_run": _empties,
    "spoils_what_is_kept": _spoils_what_is_kept,
    "prints": _prints,
    "changes_numpy": _strict_numpy,
    "starts_threads": _starts_threads,
}
"""Kinds that get an answer, but must change nothing for others."""
