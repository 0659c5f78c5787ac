"""The report of the clinic abroad, in Markdown, and its figures for the README."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from clinic.abroad import first
from clinic.case import Case
from clinic.report import figures as figures_at_home
from clinic.score import Visits, named_anywhere, named_first, named_on_top
from clinic.visit import Result

HEAD = """# The clinic abroad: trainings through other people's libraries

Made by `python3 tasks.py clinic --abroad --report`; do not edit. Small real trainings through Transformers, TRL, PEFT, Lightning,
Stable-Baselines3, Keras 3 and PyTorch Geometric, and plain loops of fields that the clinic at home knows little of, recorded with the
README's code and nothing else. The faults are planted after public reports and papers, whatever the rules can see. *Cause named*: an
expected code is among the warnings and errors, folded ones included; *at top level*: among those that nothing explains; *first*: it is
the first of them. A fault that no rule has a code for counts as missed. The reporting part is sealed: its right answers were written
down before it was measured, no rule is tuned on it, and nobody looks at why it fails. When a part has served it is opened and mended, and
new programs take its place.
"""


_NEW = """
## Programs when they were new

What a lot of new programs came to when it was first measured, before any rule was changed for it. Some of the 203 are in two lots.
"""
PARTS = ("all", "reporting", "without the hard ones")
"""Of the summary, in the README."""


@dataclass(frozen=True)
class Score:
    """Counts over visits.

    Attributes:
        faulty: visits of cases with a fault.
        named: of them, those with an expected code among the warnings and errors.
        top: of them, those with one among the leading ones.
        first: of them, those that lead with one.
        healthy: visits of cases without a fault.
        alarmed: of them, those with a warning or an error.
        errors: of them, those with an error.
        ended: visits whose training was ended.
    """

    faulty: int
    named: int
    top: int
    first: int
    healthy: int
    alarmed: int
    errors: int
    ended: int


def score(visits: Visits) -> Score:
    """Add up."""
    faulty = [(case, result) for case, result in visits if not case.healthy]
    healthy = [result for case, result in visits if case.healthy]
    return Score(
        len(faulty),
        sum(named_anywhere(*visit) for visit in faulty),
        sum(named_on_top(*visit) for visit in faulty),
        sum(named_first(*visit) for visit in faulty),
        len(healthy),
        sum(bool(result.serious) for result in healthy),
        sum("error" in {cause.severity for cause in result.causes} for result in healthy),
        sum(bool(result.ended) for _, result in visits),
    )


def report(visits: Visits) -> str:
    """The whole report."""
    wrong = [visit for visit in visits if not named_first(*visit)]
    parts = [
        HEAD,
        "## Summary\n",
        f"{len({case.name for case, _ in visits})} trainings.\n",
        *_summary(visits),
        _NEW,
        *first.table(),
        *first.misses(),
        "\n## What is missed or wrongly said\n",
        *_failures(wrong),
    ]
    for title, healthy in (("Faults", False), ("Healthy", True)):
        chosen = [visit for visit in visits if visit[0].healthy == healthy]
        parts += [f"\n## {title}\n", *_cases(chosen)]
    return "\n".join(parts) + "\n"


def figures(text: str) -> tuple[str, dict[str, list[str]], list[str]]:
    """Of a report: the number of trainings, each row of its summary, and the names of what fails."""
    count, _, _ = text.partition(" trainings.\n")
    lines = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| "))
    rows = {cells[0]: cells[1:] for cells in lines if len(cells) == 9}
    failing = [line[3:].partition("`")[0] for line in text.splitlines() if line.startswith("- `")]
    return count.rpartition("\n")[2], rows, failing


def side_by_side(home: str, abroad: str) -> dict[str, list[str]]:
    """Of both reports, for the README: faults, cause named, at top level, first, healthy runs, alarmed.

    Beside them "new" and a day: what the lots that were measured then came to when nobody had looked into them.

    A report of the clinic at home that was made before it said how often a cause is named at all has dashes there.
    """
    _, at_home, (named, top) = figures_at_home(home)
    faults, leading, _, healthy, errors, warnings, _ = at_home["all"]
    alarmed = str(int(errors) + int(warnings))
    _, rows, _ = figures(abroad)
    parts = {name: [_share(cell) for cell in rows[name][:6]] for name in PARTS}
    return {
        "home": [faults, named, top, leading, healthy, alarmed],
        **parts,
        **{f"new, {day}": _when_new(lot) for day, lot in first.newest().items()},
    }


def _when_new(lot: first.Lot) -> list[str]:
    shares = [_percent(found, lot.faults) for found in (lot.named, lot.top, lot.first)]
    return [str(lot.faults), *shares, str(lot.healthy), str(lot.alarmed)]


def _share(cell: str) -> str:
    _, bracket, share = cell.partition(" (")
    return share.rstrip(")") if bracket else cell


def _groups(visits: Visits) -> Iterator[tuple[str, Visits]]:
    yield "all", visits
    for half in ("calibration", "reporting"):
        yield half, [v for v in visits if v[0].half == half]
    yield "without the hard ones", [v for v in visits if not v[0].hard]
    for family in sorted({case.family for case, _ in visits}):
        yield family, [v for v in visits if v[0].family == family]


def _summary(visits: Visits) -> Iterable[str]:
    yield "| part | faults | cause named | at top level | first | healthy | alarmed | by an error | ended |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for title, chosen in _groups(visits):
        s = score(chosen)
        shares = (f"{n} ({_percent(n, s.faulty)})" for n in (s.named, s.top, s.first))
        cells = (title, s.faulty, *shares, s.healthy, s.alarmed, s.errors, s.ended)
        yield f"| {' | '.join(map(str, cells))} |"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _failures(wrong: Visits) -> Iterable[str]:
    for name, (case, results) in sorted(_by_case(wrong).items()):
        said = _counted(_said(result) for result in results)
        wanted = " or ".join(case.expected) or "nothing"
        yield f"- `{name}` ({len(results)}): {_told_of(case)} Wanted {wanted}; said {said}."


def _said(result: Result) -> str:
    return f"the training ended ({result.ended})" if result.ended else result.first or "nothing"


def _told_of(case: Case) -> str:
    """What its docstring says it is."""
    return (case.train.__doc__ or "").strip().partition("\n")[0]


def _cases(visits: Visits) -> Iterable[str]:
    yield "| case | family | half | expected | seeds right | first | also | what it is | source |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, (case, results) in sorted(_by_case(visits).items()):
        right = sum(named_first(case, result) for result in results)
        first = _counted(_said(result) for result in results)
        also = _counted(code for result in results for code in result.serious[1:])
        title = name + (" (hard)" if case.hard else "")
        expected = ", ".join(case.expected) or "–"
        cells = (title, case.family, case.half, expected, f"{right} of {len(results)}")
        yield f"| {' | '.join((*cells, first, also, _told_of(case), case.source))} |"


def _by_case(visits: Visits) -> dict[str, tuple[Case, Sequence[Result]]]:
    cases = {case.name: case for case, _ in visits}
    return {
        name: (case, [result for other, result in visits if other.name == name])
        for name, case in cases.items()
    }


def _counted(words: Iterable[str]) -> str:
    return ", ".join(
        f"{word} ×{n}" if n > 1 else word for word, n in sorted(Counter(words).items())
    )
