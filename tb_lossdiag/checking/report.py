"""`tb_lossdiag.diagnose` and what it returns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from rich.console import Group, RenderableType

from tb_lossdiag import __version__
from tb_lossdiag.checking import left_out, shown
from tb_lossdiag.checking.check import Check, in_order
from tb_lossdiag.checking.expected import unmet
from tb_lossdiag.checking.found import JudgedRun, ReportedFinding
from tb_lossdiag.checking.places import Place
from tb_lossdiag.checking.places import places as meant
from tb_lossdiag.checking.wishes import Codes, asked, naming, patterns
from tb_lossdiag.report import baseline as known_findings
from tb_lossdiag.report import document, spreadsheet
from tb_lossdiag.report.formats import FORMATS, Context
from tb_lossdiag.report.plain import plain
from tb_lossdiag.report.text import parts

Json = dict[str, Any]
StrPath = str | os.PathLike[str]


@dataclass(frozen=True, repr=False)
class Report(shown.Shown):
    """What the rules say of some runs: see `tb_lossdiag.diagnose`.

    In a notebook and with `rich.print` it shows itself; `print` shows the same without colours.

    Attributes:
        document: all of it as plain data, as `tb-lossdiag check --format json` writes it.
        left_out: runs that were not judged, and why, a sentence each.
    """

    document: Json
    left_out: tuple[str, ...]
    _about: Context

    @cached_property
    def runs(self) -> tuple[JudgedRun, ...]:
        """Each run, by name."""
        return tuple(JudgedRun.of(entry) for entry in self.document["runs"])

    @property
    def findings(self) -> tuple[ReportedFinding, ...]:
        """The causes that were found in any run; what they explain is in them."""
        return tuple(finding for run in self.runs for finding in run.findings)

    def __getitem__(self, run: str) -> JudgedRun:
        """A run by its name.

        Raises:
            KeyError: there is none of this name.
        """
        found = {one.name: one for one in self.runs}
        if (
            run == "." and len(found) == 1
        ):  # as TensorBoard calls a run that lies in the folder itself
            return self.runs[0]
        if run not in found:
            raise KeyError(f"no run {run!r}; there are: {', '.join(found)}")
        return found[run]

    def __iter__(self) -> Iterator[JudgedRun]:
        """Each run."""
        return iter(self.runs)

    def __len__(self) -> int:
        """How many runs there are."""
        return len(self.runs)

    def assert_healthy(self, select: Codes = (), *, level: str = "warning") -> None:
        """For tests and scripts: fail if a finding is as severe as `level`, or if health could not be seen.

        Args:
            select: only these rules count, e.g. "LD1,LD302"; each must have judged every run.
            level: "info", "warning" or "error"; findings in the baseline never count.

        Raises:
            AssertionError: the message is the report of the runs that failed.
            ValueError: `select` or `level` is not understood.
        """
        problems = unmet(self.document["runs"], patterns(select, "select"), level, self._about)
        if problems:
            raise AssertionError("\n".join(problems))

    def to_dataframe(self) -> Any:
        """A `pandas.DataFrame`, one row per finding, symptoms behind their cause, a run without findings in one row.

        Raises:
            ImportError: pandas is not installed.
        """
        return shown.frame_of(spreadsheet.HEAD, spreadsheet.rows(map(plain, self.document["runs"])))

    def to_json(self) -> str:
        """As `tb-lossdiag check --format json`; its schema is `tb_lossdiag/report/schema/check.json`."""
        return self._as("json")

    def to_markdown(self) -> str:
        """As `tb-lossdiag check --format markdown`, for an issue or a pull request."""
        return self._as("markdown")

    def to_csv(self) -> str:
        """As `tb-lossdiag check --format csv`."""
        return self._as("csv")

    def to_sarif(self) -> str:
        """As `tb-lossdiag check --format sarif`, for code hosts."""
        return self._as("sarif")

    def _as(self, form: str) -> str:
        return FORMATS[form].write(self.document, self._about)

    def __rich__(self) -> RenderableType:
        """For `rich.print`."""
        return Group(*parts(self.document["runs"], self._about.language))

    def _repr_html_(self) -> str:
        """For notebooks."""
        return shown.runs_as_html(self.document["runs"], self._about.language)

    def __repr__(self) -> str:
        """Which runs, and how they are."""
        runs = ", ".join(f"{run.name}: {run.status}" for run in self.runs)
        return f"<tb_lossdiag.Report {runs}>"


def diagnose(
    *places: StrPath,
    select: Codes = (),
    ignore: Codes = (),
    thresholds: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    config: StrPath | Literal[False] | None = None,
    baseline: StrPath | None = None,
    language: str | None = None,
    jobs: int = 1,
    executor: Executor | None = None,
    cache: bool = True,
) -> Report:
    """Judge runs, as `tb-lossdiag check` does. Needs no torch.

    Args:
        places: a folder, as for `tensorboard --logdir`, and names of runs in it (all without any); or several folders, runs' own
            folders, event files or logs (Transformers' trainer_state.json, JSON lines, CSV).
        select: only these rules, e.g. "LD1,LD302".
        ignore: without these.
        thresholds: e.g. {"LD601.max_ratio": 0.2}.
        tags: your names of plain scalars, e.g. {"loss": "objective/nll"}.
        config: the configuration file; by default the one at or above the first place or the working folder; False for none.
        baseline: findings listed there are marked, and never fail `assert_healthy`.
        language: of the texts, "en" or "zh-CN".
        jobs: processes; 0 for one per processor. Scripts that ask for several need `if __name__ == "__main__":`.
        executor: judges the runs instead: a `concurrent.futures.Executor`, such as Dask's `client.get_executor()`, whose workers
            reach the same places and have this package.
        cache: whether verdicts on runs that have not changed may be those of an earlier call (in the user's cache folder); never with
            rules of other packages, nor where the environment sets `TB_LOSSDIAG_NO_CACHE`.

    Raises:
        OSError: a place or a file cannot be read.
        ValueError: there is nothing to judge, or an argument or the configuration is not understood.
    """
    wishes = asked(select, ignore, thresholds, tags, config, language)
    where = meant([os.fspath(place) for place in places])
    settings = wishes.settings(where[0].path)
    check = Check(where, settings, jobs, executor, known=cache)
    runs = in_order(list(check.entries()))
    check.require_use(wishes.mapped, "tags")
    if baseline is not None:
        with naming("baseline", Path(baseline)):
            known_findings.mark(runs, known_findings.read(Path(baseline)))
    return _reported(check, where, settings.language, runs)


def diagnose_run(logdir: str, run: str) -> Report:
    """Judge one run of a folder, by its name there, and read none of the others.

    Raises:
        OSError: the folder or the run cannot be read.
        ValueError: there is no run of this name; the message says which there are.
    """
    (folder,) = meant([logdir])
    where = [replace(folder, wanted=frozenset({run}))]
    settings = asked((), (), None, None, None, None).settings(folder.path)
    check = Check(where, settings)
    return _reported(check, where, settings.language, in_order(list(check.entries())))


def _reported(check: Check, where: Sequence[Place], language: str, runs: list[Json]) -> Report:
    logdir = where[0].folder if len(where) == 1 else ""
    about = Context(check.rules, logdir, language, __version__)
    return Report(document.whole(runs), tuple(left_out.sentences(check.left_out)), about)
