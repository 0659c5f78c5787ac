"""What a rule of another package may say: each part of a finding is looked at, and nothing else of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from typing import Any

import numpy as np
import pytest

from tb_lossdiag.diagnosis.checked import (
    LONGEST,
    MOST_FINDINGS,
    MOST_PARTS,
    Unsound,
    findings,
    text,
)
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Judged, Severity, Text

JUDGED = Judged(Text("level"), "loss", 4, (3, 4), (1.0, 2.0))
PIECE = Evidence("loss", "all", 3, 9, observed=2.0, threshold=1.0, judged=JUDGED)
SOUND = Finding("X1", Severity.WARNING, "w", (PIECE,), Text("m"), Text("a"), {"n": 1.0}, onset=4)


class Loud(IntEnum):
    WARNING = 1


class Words(str):
    """A text of a class of its own, which could say anything else when it is asked again."""

    __slots__ = ()


def sound(**changes: Any) -> Finding:
    """A sound finding but for what is changed."""
    return replace(SOUND, **changes)


def piece(**changes: Any) -> Finding:
    """One whose evidence is changed."""
    return sound(evidence=(replace(PIECE, **changes),))


def test_a_sound_finding_is_rebuilt_as_it_is() -> None:
    (kept,) = findings([SOUND], "X1")
    assert kept == SOUND
    assert kept is not SOUND


def judged(**changes: Any) -> Finding:
    """One whose judged series is changed."""
    return piece(judged=replace(JUDGED, **changes))


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (piece(judged="level"), "evidence.judged is str, expected Judged"),
        (judged(steps=[3, 4]), "expected tuples of 1 to 200 steps and values"),
        (judged(steps=(), values=()), "expected tuples of 1 to 200 steps and values"),
        (judged(values=(1.0,) * 201), "expected tuples of 1 to 200 steps and values"),
        (judged(values=(1.0,)), "a value per step"),
        (judged(steps=(4, 3)), "steps that rise"),
        (judged(at=5), "`at` among them"),
        (judged(steps=(3, 4.0)), "evidence.judged.steps is float"),
        (judged(values=("1", "2")), "evidence.judged.values is str"),
        (judged(name="level"), "evidence.judged.name is str"),
        (judged(unit=None), "judged.unit is NoneType"),
    ],
)
def test_a_judged_series_is_looked_at_like_the_rest(one: Finding, why: str) -> None:
    with pytest.raises(Unsound, match=why):
        findings([one], "X1")


def test_what_may_be_left_out_stays_left_out() -> None:
    bare = Finding("X1", Severity.INFO, "", (Evidence("loss", "", 0, 0),), Text("m"), Text("a"))
    assert findings([bare], "X1") == [bare]


def test_a_text_is_kept_as_it_reads() -> None:
    assert text(Text("{n} times").format(n=3), "message") == Text("3 times")


def test_whole_numbers_become_floats_and_infinity_stays() -> None:
    (kept,) = findings([piece(observed=7, threshold=float("inf"))], "X1")
    assert type(kept.evidence[0].observed) is float
    assert kept.evidence[0].threshold == float("inf")


def test_as_many_findings_as_are_shown_and_no_more() -> None:
    assert len(findings([SOUND] * MOST_FINDINGS, "X1")) == MOST_FINDINGS
    with pytest.raises(Unsound, match="more than 200 findings"):
        findings(iter([SOUND] * (MOST_FINDINGS + 1)), "X1")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("words", "yielded str, expected a Finding"),
        (sound(code="X2"), "a finding has the code 'X2'"),
        (sound(code=Words("X1")), "code is .*Words, expected a str"),
        (sound(severity=1), "severity is int, expected a Severity"),
        (sound(severity=Loud.WARNING), "severity is .*Loud, expected a Severity"),
        (sound(evidence=[PIECE]), "evidence is list, expected a tuple of 1 to 200"),
        (sound(evidence=()), "expected a tuple of 1 to 200"),
        (sound(evidence=(PIECE,) * (MOST_PARTS + 1)), "expected a tuple of 1 to 200"),
        (sound(evidence=("loss",)), "evidence holds str, expected Evidence"),
        (sound(message="m"), "message is str, expected a .*Text"),
        (sound(advice=None), "advice is NoneType, expected a .*Text"),
        (sound(subject="w" * (LONGEST + 1)), "subject has 20001 characters"),
        (sound(subject="\ud800"), "subject holds half a character"),
        (sound(numbers=[1.0]), "numbers: expected a mapping of at most 200"),
        (sound(numbers=dict.fromkeys(map(str, range(201)), 1.0)), "at most 200"),
        (sound(numbers={1: 1.0}), "a name in numbers is int"),
        (sound(numbers={"n": "1"}), "numbers is str, expected a float"),
        (sound(onset=1.0), "onset is float, expected an int"),
        (piece(first_step=3.0), "first_step is float, expected an int"),
        (piece(last_step=True), "last_step is bool, expected an int"),
        (piece(last_step=np.int64(9)), "last_step is numpy.int64, expected an int"),
        (piece(last_step=2**63), "last_step is beyond any step"),
        (piece(first_step=10), "first_step 10 lies after last_step 9"),
        (piece(observed=True), "observed is bool, expected a float"),
        (piece(threshold=np.float32(1)), "threshold is numpy.float32, expected a float"),
        (piece(observed=10**400), "observed is beyond any float"),
        (piece(column=None), "evidence.column is NoneType"),
    ],
)
def test_what_is_no_finding_is_said(given: object, said: str) -> None:
    with pytest.raises(Unsound, match=said):
        findings([given], "X1")


@pytest.mark.parametrize(
    "at_the_bound",
    [
        sound(evidence=(PIECE,) * MOST_PARTS),
        sound(subject="w" * LONGEST),
        sound(numbers=dict.fromkeys(map(str, range(MOST_PARTS)), 1.0)),
        piece(first_step=9),
        piece(first_step=-(2**63) + 1, last_step=2**63 - 1),
    ],
)
def test_what_reaches_a_bound_is_taken(at_the_bound: Finding) -> None:
    assert findings([at_the_bound], "X1") == [at_the_bound]


def test_a_name_of_endless_length_is_cut() -> None:
    make: Callable[..., type] = type
    with pytest.raises(Unsound) as told:
        findings([make("N" * 1000, (), {})()], "X1")
    assert len(str(told.value)) < 300
