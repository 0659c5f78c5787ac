"""`tb_lossdiag.compare` and what it returns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Group, RenderableType

from tb_lossdiag.checking import shown
from tb_lossdiag.checking.found import ReportedFinding
from tb_lossdiag.checking.pair import pair
from tb_lossdiag.checking.verdict import severity
from tb_lossdiag.checking.wishes import Codes, asked
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.report import comparison, comparison_text
from tb_lossdiag.report.formats import as_json

Json = dict[str, Any]
StrPath = str | os.PathLike[str]
_COLUMNS = ("kind", "code", "name", "severity", "subject", "first_step", "last_step", "message")


@dataclass(frozen=True, repr=False)
class Comparison(shown.Shown):
    """What changed from one run to another: see `tb_lossdiag.compare`. It shows itself as a `Report` does.

    Attributes:
        document: all of it as plain data, as `tb-lossdiag compare --format json` writes it.
        language: of the texts.
    """

    document: Json
    language: str

    @property
    def fixed(self) -> tuple[ReportedFinding, ...]:
        """Findings of the first run that the second has not."""
        return tuple(self._of("a", found) for found in self.document["findings"]["fixed"])

    @property
    def new(self) -> tuple[ReportedFinding, ...]:
        """Findings of the second run that the first has not."""
        return tuple(self._of("b", found) for found in self.document["findings"]["new"])

    @property
    def still(self) -> tuple[ReportedFinding, ...]:
        """Findings of both, as they are in the second."""
        return tuple(self._of("b", both["b"]) for both in self.document["findings"]["still"])

    @property
    def unclear(self) -> tuple[ReportedFinding, ...]:
        """Findings of one run that the other's records did not allow to judge."""
        found = self.document["findings"]["unclear"]
        return tuple(self._of(one["in"], one["finding"]) for one in found)

    @property
    def curves(self) -> tuple[Json, ...]:
        """Where curves part: quantity, column, the step, and both values there."""
        return tuple(self.document["curves"])

    @property
    def facts(self) -> Mapping[str, tuple[str, str]]:
        """What was set or recorded differently, by name: as in the first run, and in the second."""
        return {fact["name"]: (fact["a"], fact["b"]) for fact in self.document["facts"]}

    def assert_nothing_new(self, level: str = "warning") -> None:
        """For tests and scripts: fail if the second run has a finding that the first has not.

        Args:
            level: "info", "warning" or "error".

        Raises:
            AssertionError: the message names them.
            ValueError: there is no such level.
        """
        limit = severity(level)
        worse = [str(one) for one in self.new if Severity[one.severity.upper()] >= limit]
        if worse:
            raise AssertionError("\n".join(worse))

    def to_dataframe(self) -> Any:
        """A `pandas.DataFrame`, one row per finding; `kind` is "new", "still", "fixed" or "unclear".

        Raises:
            ImportError: pandas is not installed.
        """
        return shown.frame_of(_COLUMNS, self._rows())

    def to_json(self) -> str:
        """As `tb-lossdiag compare --format json`; its schema is `tb_lossdiag/report/schema/compare.json`."""
        return as_json(self.document)

    def to_markdown(self) -> str:
        """As `tb-lossdiag compare --format markdown`."""
        return comparison_text.markdown(self.document, self.language)

    def __rich__(self) -> RenderableType:
        """For `rich.print`."""
        return Group(*comparison_text.lines(self.document, self.language))

    def _repr_html_(self) -> str:
        """For notebooks."""
        return shown.html_of(self.to_markdown())

    def __repr__(self) -> str:
        """How many findings of each kind."""
        counts = ", ".join(f"{len(some)} {kind}" for kind, some in self._kinds().items())
        return f"<tb_lossdiag.Comparison {counts}>"

    def _of(self, side: str, finding: Mapping[str, Any]) -> ReportedFinding:
        return ReportedFinding.of(self.document[side]["run"], finding)

    def _kinds(self) -> Mapping[str, tuple[ReportedFinding, ...]]:
        return {"new": self.new, "still": self.still, "fixed": self.fixed, "unclear": self.unclear}

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        for kind, found in self._kinds().items():
            yield from ((kind, *(getattr(one, name) for name in _COLUMNS[1:])) for one in found)


def compare(
    *places: StrPath,
    select: Codes = (),
    ignore: Codes = (),
    thresholds: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    config: StrPath | Literal[False] | None = None,
    language: str | None = None,
) -> Comparison:
    """Say what changed from one run to another, as `tb-lossdiag compare` does. Needs no torch.

    Args:
        places: two folders (or event files) with one run each, the earlier first; or a folder and the names of two of its runs.
        select: only these rules, e.g. "LD1,LD302".
        ignore: without these.
        thresholds: e.g. {"LD601.max_ratio": 0.2}.
        tags: your names of plain scalars, e.g. {"loss": "objective/nll"}.
        config: as for `diagnose`.
        language: of the texts, "en" or "zh-CN".

    Raises:
        OSError: a place cannot be read.
        ValueError: there are not two runs, or an argument or the configuration is not understood.
    """
    wishes = asked(select, ignore, thresholds, tags, config, language)
    a, b, spoken = pair([os.fspath(place) for place in places], wishes)
    return Comparison(comparison.compare(a, b, spoken), spoken)
