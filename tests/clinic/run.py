"""The clinic: `python3 tasks.py clinic [--abroad] [--select PATTERN …] [--half HALF] [--seeds N] [--jobs N] [--report]`."""

from __future__ import annotations

import argparse
import fnmatch
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from clinic import abroad
from clinic.abroad.report import report as report_abroad
from clinic.case import Case
from clinic.cases import CASES
from clinic.report import report
from clinic.score import named_first, score
from clinic.visit import Result, visit

PLACE = Path(__file__).with_name("REPORT.md")
ABROAD = PLACE.parent / "abroad" / "REPORT.md"


def visits(cases: Sequence[Case], seeds: int, jobs: int) -> Iterator[tuple[Case, Result]]:
    """Train and diagnose cases, several at a time, each in a fresh process that nothing else has touched."""
    rounds = [(case, seed) for case in cases for seed in range(min(seeds, case.seeds))]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn) as pool:
        running = [
            (case, pool.submit(visit, case.name, seed, _module(case))) for case, seed in rounds
        ]
        for case, result in running:
            yield case, result.result()


def _chosen(case: Case, patterns: Sequence[str]) -> bool:
    """Whether its name, or that of the file it is in, is like one of these."""
    names = case.name, case.train.__module__.rpartition(".")[2]
    return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns)


def _module(case: Case) -> str:
    """That a worker imports to know it; at home it knows all cases."""
    return "" if CASES.get(case.name) is case else case.train.__module__


def _register(options: argparse.Namespace) -> dict[str, Case]:
    if not options.abroad:
        return CASES
    if missing := abroad.load(abroad.modules_with(options.select)):
        sys.exit(f"not installed: what {', '.join(missing)} need: pip install '.[abroad]'")
    return abroad.ABROAD


def main() -> int:
    """Run, print each visit, then the scores; 1 if a rule raised or said what is not so."""
    options = _options()
    cases = [
        case
        for case in _register(options).values()
        if _chosen(case, options.select) and options.half in (None, case.half)
    ]
    done = []
    for case, result in visits(cases, options.seeds, options.jobs):
        done.append((case, result))
        print(_line(case, result, options.verbose), flush=True)
    print(score(done), f"recall {score(done).recall:.3f} precision {score(done).precision:.3f}")
    if options.report and options.abroad:
        ABROAD.write_text(report_abroad(done), encoding="utf-8")
    elif options.report:
        PLACE.write_text(report(done), encoding="utf-8")
    return int(any(result.failed or result.untrue for _, result in done))


def _line(case: Case, result: Result, verbose: bool) -> str:
    mark = "ok   " if named_first(case, result) else "WRONG"
    named = ", ".join(f"{cause.code} {cause.severity}" for cause in result.causes) or "nothing"
    expected = "/".join(case.expected) or "healthy"
    line = (
        f"{mark} {case.name} #{result.seed} ({result.seconds:.1f} s): {named}; expected {expected}"
    )
    if result.folded:
        line += f"; folded {', '.join(result.folded)}"
    if result.ended:
        line += f"; TRAINING ENDED: {result.ended}"
    if result.failed:
        line += f"; RULES RAISED: {', '.join(result.failed)}"
    line += "".join(f"; UNTRUE: {claim}" for claim in result.untrue)
    line += "".join(f"; OTHERWISE: {said}" for said in result.otherwise)
    if verbose:
        line += "".join(f"\n      {c.code} [{c.subject}] {c.message}" for c in result.causes)
    return line


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--select",
        nargs="+",
        default=["*"],
        metavar="PATTERN",
        help="names of cases or of files of them, as shell patterns",
    )
    parser.add_argument("--half", choices=("calibration", "reporting"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--report", action="store_true", help="write its REPORT.md")
    parser.add_argument("--abroad", action="store_true", help="trainings of other libraries")
    parser.add_argument("--verbose", action="store_true", help="with the messages")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
