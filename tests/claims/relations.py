"""What two or three numbers of a clause claim of each other: fell from, rose to, times, of, above, between."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

from claims.places import Kind, places
from claims.sentences import PLACE as N
from claims.sentences import Clause, Value

_SOME = r"[^⟨;]*?"
_DOWN = r"(?:fell|fallen|falling|come down|sank|shrank|dropped|lost)"
_UP = r"(?:rose|risen|grew|grow|grown|climbed)"
_NO_LONGER = rf"(?:(?!\b(?:{_DOWN}|{_UP})\b)[^⟨;])*?"
"""Words up to the next verb: what that one says is another claim."""


def _above(first: Value, second: Value) -> bool:
    return first.number > second.number


def _below(first: Value, second: Value) -> bool:
    return first.number < second.number


def _differs(first: Value, second: Value) -> bool:
    return first.number != second.number


def _at_most(first: Value, second: Value) -> bool:
    return first.number <= second.number


def _at_least(first: Value, second: Value) -> bool:
    return first.high >= second.low


PAIRS: tuple[tuple[str, Callable[[Value, Value], bool]], ...] = (
    (rf"\b{_DOWN}\b{_NO_LONGER} from {N}(?: in ⟪\d+⟫)? (?:to|below) {N}", _above),
    (rf"\b{_UP}\b{_NO_LONGER} from {N}(?: in ⟪\d+⟫)? to {N}", _below),
    (rf"\b(?:went|threw)\b{_SOME} from (?:a norm of )?{N}%? to {N}%?", _differs),
    (rf"\brose to {N}, ⟨\d+⟩ times its earlier level of {N}", _above),
    (rf"reached {N}, ⟨\d+⟩ times (?:its|the) level before \({N}\)", _above),
    (rf"had come down to {N} by step ⟨\d+⟩ and is at {N} now", _below),
    (rf"fell to {N} by step ⟨\d+⟩ and is {N} at step", _below),
    (rf"rises{_SOME}: it was {N} at step ⟨\d+⟩ and is {N} at step", _below),
    (rf"best at step ⟨\d+⟩ \({N}\) and is {N}", _below),
    (rf"far above{_SOME} \({N} against {N}", _above),
    (rf"times smaller{_SOME} \({N} against {N}\)", _below),
    (rf"times as (?:hard|much){_SOME}\((?:gradient norms )?{N} (?:against|and) {N}\)", _above),
    (rf"differs{_SOME} ⟨\d+⟩ of ⟨\d+⟩ records, typically {N} against {N}", _differs),
    (rf"\b(?:values|go|numbers|step) from {N} to {N}", _at_most),
    (rf"\bgives {N} to {N}", _at_most),
    (rf"\bbetween (?:steps? )?{N} and {N}", _at_most),
    (rf"{N}(?: s)? of (?:the |all )?{N}", _at_most),
    (rf"loss {N} is no better than{_SOME} \({N}\)", _at_least),
    (rf"median of {N} and a 90th percentile of {N}", _at_most),
    (rf"99th percentile{_SOME} {N}, its largest value {N}", _at_most),
)
"""Words that claim something of two numbers, and whether it is so."""

_OF_OTHERS = (
    "⟨{at}⟩ times as (?:much as in|large from)",
    "⟨{at}⟩ times (?:those of|that of|its value|what they were)",
    "to ⟨{at}⟩ times as many",
)
"""Words after a factor of two numbers that are not in its clause."""


def broken(clause: Clause) -> Iterator[str]:
    """Claims between numbers of a clause that do not hold."""
    for pattern, holds in PAIRS:
        for first, second in clause.found(pattern):
            if not holds(first, second):
                yield f"{first.said} and {second.said} are not so"
    yield from _factors(clause)
    yield from _shares(clause)


def _factors(clause: Clause) -> Iterator[str]:
    """A factor is that between two measured numbers of its clause, where there are two."""
    found = places(clause)
    measured = [place.value for place in found if place.kind is Kind.MEASURED]
    for factor in (place for place in found if place.kind is Kind.FACTOR):
        others = (each.format(at=factor.at) for each in _OF_OTHERS)
        if len(measured) < 2 or any(re.search(each, clause.words) for each in others):
            continue
        if not any(_is_ratio(factor.value, *pair) for pair in itertools.permutations(measured, 2)):
            yield f"{factor.value.said} times lies between no two of {[m.said for m in measured]}"


def _is_ratio(factor: Value, above: Value, below: Value) -> bool:
    if not below.low > 0 or factor.said == "inf":
        return True
    return above.low / below.high <= factor.high and factor.low <= above.high / below.low


def _shares(clause: Clause) -> Iterator[str]:
    rest = re.sub(rf"{N}% (?:above|of the starting loss lies)|change of {N}%", "", clause.words)
    for (share,) in Clause(rest, clause.values).found(rf"{N}%"):
        if not 0 <= share.number <= 100:
            yield f"{share.said} % is no share"
    for part, whole, share in clause.found(rf"{N} of {N} [a-z]+ \({N}%\)"):
        if abs(100 * part.number / whole.number - share.number) > max(share.digit, 0.06):
            yield f"{part.said} of {whole.said} is not {share.said} %"
    for best, end, more in clause.found(rf"\({N}\) and is {N} at step ⟨\d+⟩, {N}% above"):
        yield from _changed(best, end, more)
    for start, end, change in clause.found(rf"began at {N} [^⟨]*{N}: a change of {N}%"):
        yield from _changed(start, end, change)


def _changed(start: Value, end: Value, percent: Value) -> Iterator[str]:
    """A change relative to the start is said with its sign, or without one where its direction is."""
    if start.low <= 0:
        return
    lowest, highest = 100 * (end.low / start.high - 1), 100 * (end.high / start.low - 1)
    if not lowest - percent.digit <= percent.number <= highest + percent.digit:
        yield f"from {start.said} to {end.said} is no change of {percent.said} %"
