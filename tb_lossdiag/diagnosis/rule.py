"""What a rule is, and what it says when it fires."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Protocol, runtime_checkable

from tb_lossdiag.diagnosis.text import Text, translated
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

__all__ = [
    "Evidence",
    "Finding",
    "Judged",
    "NotEnough",
    "Rule",
    "Severity",
    "Text",
    "documentation",
    "short_number",
    "thresholds",
]


class Severity(IntEnum):
    """How bad a finding is, ordered."""

    INFO = 0
    """Worth knowing; never counts against a healthy run."""
    WARNING = 1
    """Costs quality or time; act."""
    ERROR = 2
    """The run is broken or its result is void."""

    @property
    def label(self) -> str:
        """Lower-case word used in JSON and on the command line."""
        return self.name.lower()


@dataclass(frozen=True)
class Judged:
    """The series that was held against a threshold, where no recorded quantity is that; `diagnosis.judged` makes it.

    Attributes:
        name: what it is, for a title.
        unit: of its values and of the threshold.
        at: the step of the point that decided, or lay nearest to the level that did.
        steps: ascending, few enough for one chart; every extreme is among them.
        values: as many, all finite.
    """

    name: Text
    unit: str
    at: int
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """The numbers a finding rests on: enough to draw the window and the line on a chart.

    Attributes:
        quantity: name of the quantity that shows it best.
        column: column name, "" for the whole run.
        first_step: first step of the window.
        last_step: last step of the window, inclusive.
        observed: the deciding number, in the unit of `threshold` (None: there is no single one).
        threshold: what `observed` was compared with.
        judged: the series that both are values of, where that is not the quantity itself but derived of it.
    """

    quantity: str
    column: str
    first_step: int
    last_step: int
    observed: float | None = None
    threshold: float | None = None
    judged: Judged | None = None


@dataclass(frozen=True)
class Finding:
    """One place where a rule fired.

    Attributes:
        code: code of the rule.
        severity: how bad this one is (a rule may lower its own).
        subject: what it is about: a parameter, a loss term, or "" for the run.
        evidence: at least one piece; the first one gives the window of the finding.
        message: what was seen, with its numbers, one or two sentences.
        advice: what to try first, Markdown (paragraphs, `code`, fenced code).
        numbers: named numbers behind message and advice.
        onset: the step at which it happened, of what happens at a step: nothing that happened later explains it. What stands in the
            code all the time, or may have been there before somebody looked, has none.
    """

    code: str
    severity: Severity
    subject: str
    evidence: tuple[Evidence, ...]
    message: Text
    advice: Text
    numbers: Mapping[str, float] = field(default_factory=dict)
    onset: int | None = None

    @property
    def first_step(self) -> int:
        """First step over all evidence."""
        return min(piece.first_step for piece in self.evidence)

    @property
    def last_step(self) -> int:
        """Last step over all evidence."""
        return max(piece.last_step for piece in self.evidence)


@runtime_checkable
class Rule(Protocol):
    """A named check. Implementations are frozen dataclasses whose fields are the thresholds.

    The class docstring is the documentation, with the sections tested in `tests/unit/rules/test_catalogue.py`. `reads` must be recorded for the rule to be evaluated; `may_read` is used if there.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    title: ClassVar[Text]
    reads: ClassVar[tuple[Quantity, ...]]
    may_read: ClassVar[tuple[Quantity, ...]]
    explains: ClassVar[tuple[str, ...]]

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per place where the rule fires; raise `NotEnough` when the records do not suffice."""
        ...


class NotEnough(Exception):  # noqa: N818  (a reason, not an error)
    """The quantities are there, but too few records of them to judge.

    Args:
        needs: what is missing, e.g. Text("at least 50 records of loss").
    """

    def __init__(self, needs: Text) -> None:
        """Keep the reason."""
        super().__init__(needs.en)
        self.needs = needs


def thresholds(rule: Rule) -> Mapping[str, float]:
    """The rule's thresholds by field name."""
    return {f.name: getattr(rule, f.name) for f in dataclasses.fields(rule)}  # type: ignore[arg-type]


def documentation(rule: Rule, language: str = "en") -> str:
    """The rule's documentation, Markdown."""
    text = inspect.cleandoc(rule.__doc__ or "")
    return "\n\n".join(_paragraph(part, language) for part in text.split("\n\n"))


def _paragraph(text: str, language: str) -> str:
    """A paragraph of documentation; its message id does not depend on where its lines break."""
    one_line = " ".join(text.split())
    found = translated(one_line, language)
    return text if found == one_line else found


def short_number(value: float) -> str:
    """A number the way people type it: 3 significant digits, exponents only far from 1.

    >>> [short_number(value) for value in (0.25, 12345.0, 0.000032, float("inf"))]
    ['0.25', '12345', '3.2e-5', 'inf']
    """
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:  # noqa: PLR2004
        return str(int(value))
    if 1e-3 <= abs(value) < 1e5:  # noqa: PLR2004
        return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"  # noqa: PLR2004
    mantissa, _, exponent = f"{value:.2g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else f"{value:.2g}"
