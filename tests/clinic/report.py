"""The clinic's report, in Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from clinic.case import Case
from clinic.score import (
    Score,
    Visits,
    named_anywhere,
    named_first,
    named_on_top,
    score,
)

HEAD = """# The clinic: what Loss Doctor says about real trainings

Made by `python3 tasks.py clinic --report`; do not edit. Every training runs for real, with {seeds}, is read back from its event
file and judged by all rules. A fault counts as found when the first warning or error is an expected one. Thresholds may be tuned on
the calibration half only; which case is in which half is decided by a hash of its name.
"""


def figures(text: str) -> tuple[str, dict[str, list[str]], tuple[str, str]]:
    """Of a report, for the README: number of trainings, rows of its summary, and how often a cause is named at all and at top level.

    Shares are in whole percent; a report that does not say has a dash.
    """
    count, _, _ = text.partition(" trainings.\n")
    lines = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| "))
    rows = {cells[0]: cells[1:] for cells in lines if len(cells) == 8}
    told = re.search(r"named in (\d+ %) of the faults, at top level in (\d+ %)", text)
    shares = (told[1], told[2]) if told else ("–", "–")
    whole = {name: list(map(_whole, row)) for name, row in rows.items()}
    return count.rpartition("\n")[2], whole, shares


def _whole(cell: str) -> str:
    share = re.search(r"([0-9.]+) %", cell)
    return f"{float(share[1]):.0f} %" if share else cell


def report(visits: Visits) -> str:
    """The whole report."""
    trainings = f"{len({case.name for case, _ in visits})} trainings.\n"
    seeds = max((result.seed for _, result in visits), default=0) + 1
    parts = [
        HEAD.format(seeds="one seed" if seeds == 1 else f"{seeds} seeds"),
        "## Summary\n",
        trainings,
        *_summary(visits),
        _told(visits),
        "\n## Causes by code\n",
        *_codes(visits),
    ]
    for title, chosen in (
        ("Faults", [v for v in visits if not v[0].healthy]),
        ("Healthy", [v for v in visits if v[0].healthy]),
    ):
        parts += [f"\n## {title}\n", *_cases(chosen)]
    return "\n".join(parts) + "\n"


def _told(visits: Visits) -> str:
    """How often the cause is named at all: what the clinic abroad counts as well."""
    faulty = [visit for visit in visits if not visit[0].healthy]
    named, top = (
        100 * sum(told(*visit) for visit in faulty) / max(len(faulty), 1)
        for told in (named_anywhere, named_on_top)
    )
    return f"\nThe cause is named in {named:.0f} % of the faults, at top level in {top:.0f} %."


def _groups(visits: Visits) -> Iterator[tuple[str, Visits]]:
    yield "all", visits
    for half in ("calibration", "reporting"):
        yield half, [v for v in visits if v[0].half == half]
    yield "published by others", [v for v in visits if v[0].source]
    yield "our own", [v for v in visits if not v[0].source]


def _summary(visits: Visits) -> Iterable[str]:
    yield "| part | faults | named first | precision | healthy | false errors | false warnings | hints on healthy |"
    yield "|---|---|---|---|---|---|---|---|"
    for title, chosen in _groups(visits):
        yield f"| {title} | {_row(score(chosen))} |"


def _row(s: Score) -> str:
    alarms = (s.alarmed.get(level, 0) for level in ("error", "warning", "info"))
    named = f"{s.named} ({_percent(s.recall)})"
    numbers = [s.faulty, named, _percent(s.precision), s.healthy, *alarms]
    return " | ".join(map(str, numbers))


def _percent(share: float) -> str:
    return "–" if share != share else f"{100 * share:.1f} %"  # noqa: PLR0124  (NaN)


def _codes(visits: Visits) -> Iterable[str]:
    right = Counter(c for case, r in visits for c in r.serious if c in (*case.expected, *case.also))
    wrong = Counter(
        c for case, r in visits for c in r.serious if c not in (*case.expected, *case.also)
    )
    yield "| code | rightly | wrongly |"
    yield "|---|---|---|"
    for code in sorted(right | wrong):
        yield f"| {code} | {right[code]} | {wrong[code]} |"


def _cases(visits: Visits) -> Iterable[str]:
    yield "| case | family | half | expected | seeds right | named first | also named | source |"
    yield "|---|---|---|---|---|---|---|---|"
    cases: dict[str, Case] = {case.name: case for case, _ in visits}
    for name, case in sorted(cases.items()):
        results = [result for other, result in visits if other.name == name]
        right = sum(named_first(case, r) for r in results)
        first = _counted(r.first or "–" for r in results)
        also = _counted(c for r in results for c in r.serious[1:])
        expected = ", ".join(case.expected) or "–"
        hard = " (hard)" if case.hard else " (hint)" if case.hint else ""
        cells = (name + hard, case.family, case.half, expected, f"{right} of {len(results)}")
        yield f"| {' | '.join((*cells, first, also, case.source))} |"


def _counted(codes: Iterable[str]) -> str:
    return ", ".join(f"{c} ×{n}" if n > 1 else c for c, n in sorted(Counter(codes).items()))
