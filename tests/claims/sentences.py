"""A message as clauses, with a place for each value that was filled in."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tb_lossdiag.diagnosis.text import Text

_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?|-?inf"
PLACE = r"⟨(\d+)⟩"
"""A number in the words of a clause; names have double brackets."""


@dataclass(frozen=True)
class Value:
    """What stands in a field of a template."""

    field: str
    said: str

    @property
    def is_number(self) -> bool:
        """A bare number, not a name or a list of them."""
        return re.fullmatch(_NUMBER, self.said) is not None

    @property
    def number(self) -> float:
        """As a number."""
        return float(self.said)

    @property
    def digit(self) -> float:
        """Half a unit of the last digit that is said."""
        mantissa, _, exponent = self.said.partition("e")
        zeros = re.search(r"^-?[1-9]\d+?(0+)$", mantissa)  # "1800" may be a mean of 1824
        digits = len(mantissa.partition(".")[2]) - (len(zeros[1]) if zeros else 0)
        return 0.5001 * 10.0 ** (int(exponent or 0) - digits)

    @property
    def rounding(self) -> float:
        """How far the value may be from what is said: "2" is 2.00, as people leave zeros out."""
        if not math.isfinite(self.number):
            return 0.0
        if not 1e-3 <= abs(self.number) < 1e3 or re.search(r"^-?\d\d+0$", self.said):
            return self.digit  # two digits alone were meant
        third = 10.0 ** (math.floor(math.log10(abs(self.number))) - 2)
        return min(self.digit, 0.5001 * third)

    @property
    def low(self) -> float:
        """The lowest value that is said so."""
        return self.number - self.rounding

    @property
    def high(self) -> float:
        """The highest."""
        return self.number + self.rounding


@dataclass(frozen=True)
class Clause:
    """Words up to a full stop or a semicolon.

    Attributes:
        words: with places like ⟨3⟩ for numbers and ⟪4⟫ for names.
        values: all values of the message, by the number of their place.
    """

    words: str
    values: tuple[Value, ...]

    def found(self, pattern: str) -> Iterator[tuple[Value, ...]]:
        """Values at the groups of each match."""
        for match in re.finditer(pattern, self.words):
            yield tuple(self.values[int(at)] for at in match.groups())

    def numbers(self) -> list[tuple[int, Value]]:
        """Places of the numbers, in their order."""
        return [(int(at), self.values[int(at)]) for at in re.findall(PLACE, self.words)]


def clauses(text: Text, language: str = "en") -> list[Clause]:
    """A message, taken apart."""
    values: list[Value] = []
    words = _marked(text, language, values)
    words = re.sub(r"`⟨(\d+)⟩`", r"`⟪\1⟫`", words)  # a module may be called 0
    return [Clause(part, tuple(values)) for part in re.split(r"(?<=[.;])\s+", words)]


def _marked(text: Text, language: str, values: list[Value]) -> str:
    template = Text(text.template).in_language(language)
    if text.values is None:
        return template
    places: dict[str, str] = {}
    for field, value in text.values.items():
        if isinstance(value, Text):
            places[field] = _marked(value, language, values)
            continue
        values.append(Value(field, str(value)))
        shape = "⟨{}⟩" if values[-1].is_number else "⟪{}⟫"
        places[field] = shape.format(len(values) - 1)
    return template.format(**places)
