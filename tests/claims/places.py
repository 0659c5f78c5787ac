"""What each number of a clause claims to be, from the words around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from claims.sentences import PLACE as N
from claims.sentences import Clause, Value


class Kind(Enum):
    """What a number claims to be."""

    STEP = "step"
    SHARE = "share"
    FACTOR = "factor"
    COUNT = "count"
    MEASURED = "measured"
    WORKED_OUT = "worked out"
    """By a formula from what no record holds: only its relations to other numbers are held to."""


_NOUNS = (
    "records|validations|check-ups|decompositions|clips|steps|parameters|tensors|layers|modules|classes|units|biases|embeddings|pairs|"
    "elements|values|targets|numbers|matrices|gradients|others|of them|in all(?![^.,;])"
)
NOUN = rf"(?!(?:by|at|of its|from|to|below|where|s) )(?:[a-z-]+ ){{0,4}}?(?:(?:{_NOUNS})\b|time\(s\)|step\(s\))"
"""A countable noun with its adjectives."""
_PATTERNS = (
    (Kind.STEP, rf"\bsteps? {N}(?: (?:to|and) {N})?"),
    (Kind.SHARE, rf"{N}%"),
    (Kind.COUNT, rf"\b(?:up|cut|before|recorded) {N} times\b"),
    (Kind.FACTOR, rf"{N} times"),
    (Kind.COUNT, rf"{N} of (?:the |all )?{N}"),
    (Kind.WORKED_OUT, rf"its norm has strayed by {N}|need {N} records|is {N} steps away|about every {N}|over some {N} steps|1/{N} = {N}"),
    (Kind.COUNT, rf"{N} {NOUN}"),
    (Kind.COUNT, rf"⟪\d+⟫ and {N} more\b"),
    (Kind.COUNT, rf"\b(?:Of|all|None of the|None of|every) {N}"),
    (Kind.WORKED_OUT, rf"times {N}, which|clip coefficient of {N}|acts like {N}|above 0 is {N}"),
    (Kind.WORKED_OUT, rf"fall below {N}[^;]*guessing costs {N}|its exponential \({N}\)|multiplied by {N}(?: at one time and by {N})?"),
    (Kind.WORKED_OUT, rf"which gives {N} to (?:{N}|⟪\d+⟫)|{N} s in all|guessing[^;]*\({N}\)|input \({N}\)|among {N} actions|policy is {N} nats|(?:correlation of neighbours|noise scale is about|batch) {N}"),
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A number and what it claims to be."""

    at: int
    kind: Kind
    value: Value


def places(clause: Clause) -> list[Place]:
    """The numbers of a clause; the first pattern that takes one decides."""
    kinds: dict[int, Kind] = {}
    for kind, pattern in _PATTERNS:
        for match in re.finditer(pattern, clause.words):
            for at in match.groups():
                if at is not None:
                    kinds.setdefault(int(at), kind)
    return [Place(at, kinds.get(at, Kind.MEASURED), value) for at, value in clause.numbers()]
