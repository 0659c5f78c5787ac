"""Runs and their diagnoses, kept until something new was recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from tensorboard import errors

from tb_lossdiag.diagnosis.engine import Diagnosis
from tb_lossdiag.diagnosis.quantity_names import quantity_names
from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.plugin.background import Background, Job, Turn
from tb_lossdiag.plugin.cache import ByteCache, CachedRun, CachedRuns, Key, ReadRun
from tb_lossdiag.plugin.configuration import Configuration
from tb_lossdiag.plugin.query import TablePart, Where
from tb_lossdiag.plugin.quiet import Folder, Quiet
from tb_lossdiag.plugin.summary import blank, packed, summary
from tb_lossdiag.plugin.table_answer import encoded
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.reader import DAMAGED, Listing, run_names
from tb_lossdiag.report import document
from tb_lossdiag.report.comparison import Judged, compare
from tb_lossdiag.run import Run
from tb_lossdiag.wire.schema import readable

Json = dict[str, Any]

PATIENCE = 0.7
"""Seconds that the overview takes, listing runs and waiting for their judgement; those that are left are "reading", and the page asks again."""
FOR_ONE = 3.0
"""Seconds that it waits for the run that somebody has just opened: a row that says "reading" would be of no use, and takes another question."""
_ANSWERS = 4
"""One part in so many is for answers."""


class Unjudged(errors.NotFoundError):  # type: ignore[misc]
    """A run that cannot be read or judged: for TensorBoard something that is not there.

    Attributes:
        why: in words.
        lasts: whether it will be so until something is recorded.
    """

    def __init__(self, run: str, why: str, *, lasts: bool = True) -> None:
        super().__init__(f"run {run[:200]!r}: {why}")
        self.why = why
        self.lasts = lasts


class Backend:
    """Answers the routes' questions. Handlers run concurrently; what is kept is guarded.

    Args:
        provider: the context's data provider.
        configuration: how runs are read and judged.
        memory: bytes of runs and answers to keep.
        logdir: the folder that TensorBoard reads, "" if there are several.
    """

    def __init__(
        self, provider: Any, configuration: Configuration, memory: int, logdir: str = ""
    ) -> None:
        self._provider = provider
        self._configuration = configuration
        self._runs = CachedRuns(memory - memory // _ANSWERS, self._forget)
        self._answers = ByteCache(memory // _ANSWERS)
        self._background = Background()
        self._turn = Turn()
        self._logdir = logdir
        self._quiet: dict[str, Quiet[Mapping[str, Listing]]] = {}
        self._lock = threading.Lock()

    def overview(
        self, where: Where, language: str, have: Collection[str], first: str | None
    ) -> Json | None:
        """Every run with its state, and the names of those without records of ours.

        Args:
            where: who asks.
            language: of the sentences.
            have: the versions that the page has; None is returned while the newest one is among them.
            first: the run to judge before all others.
        """
        until = time.monotonic() + PATIENCE
        listings = self._listings(where)
        version = f"{hash(tuple((name, entry.version) for name, entry in listings.items())):x}"
        if listings and version in have:
            return None
        rows, complete = self._rows(where, listings, language, first, until)
        return {
            "version": 3,
            "state": version if complete else "",
            **packed(rows),
            **self._others(where, listings),
            "logdir": self._logdir,
            "now": time.time(),
            **self._configuration.now().notes(),
        }

    def _others(self, where: Where, listings: Mapping[str, Listing]) -> Json:
        """TensorBoard's runs without anything to judge: with scalars of which none is known as a loss, and with nothing at all."""
        known = {readable(n) for n in run_names(self._provider, where.context, where.experiment_id)}
        parts = {part for listing in listings.values() for part in listing.parts}
        reader = self._configuration.now().reader
        left = reader.left_out(listings, where.experiment_id)
        return {
            "without_data": sorted(known - parts - {*left}),
            "left_out": [
                {
                    "run": readable(run),
                    "tags": list(entry.tags),
                    "more": entry.more,
                    "perhaps": entry.perhaps,
                    "no_descent": entry.no_descent,
                }
                for run, entry in left.items()
            ],
        }

    def document(self, where: Where, run: str | None, language: str) -> Json:
        """The diagnosis of one run or of all."""
        listings = self._listings(where)
        wanted = listings.values() if run is None else [_known(listings, run)]
        entries = [self._entry(where, listing, language) for listing in wanted]
        return document.whole(entries)

    def compare(self, where: Where, names: tuple[str, str], language: str) -> Json:
        """Two runs side by side."""
        rules, listings = self.judging(), self._listings(where)
        chosen = [_known(listings, name) for name in names]
        a, b = (self._judged(where, listing) for listing in chosen)
        return compare(Judged(*a, rules), Judged(*b, rules), language)

    def rules(self, language: str) -> Json:
        """The rules that judge, with their thresholds, and what quantities are called."""
        known = document.rules(self.judging(), language)
        return {**known, "quantities": quantity_names(language)}

    def judging(self) -> Sequence[Rule]:
        """The rules that judge."""
        return self._configuration.now().policy.rules

    def table(self, where: Where, run: str, quantity: Quantity, part: TablePart) -> bytes:
        """A part of a table, encoded. It needs records, no diagnosis: neither judges a run nor waits for who does."""
        listing = _known(self._listings(where), run)
        question = (where.experiment_id, run, listing.version, quantity.name, part)
        return self._answers.get(
            question, lambda: encoded(self._read(where, listing).run, quantity, part)
        )

    def _listings(self, where: Where) -> Mapping[str, Listing]:
        reader = self._configuration.now().reader
        with self._lock:
            quiet = self._quiet.setdefault(where.experiment_id, Quiet(Folder(self._logdir)))

        def listed() -> Mapping[str, Listing]:
            listings = reader.listings(where.context, where.experiment_id)
            self._runs.only(where.experiment_id, listings)
            return listings

        return quiet.get(reader, listed)

    def _forget(self, key: Key) -> None:
        experiment, run = key
        self._configuration.now().reader.forget(run, experiment)

    def _rows(
        self,
        where: Where,
        listings: Mapping[str, Listing],
        language: str,
        first: str | None,
        until: float,
    ) -> tuple[list[Json], bool]:
        """A row for every run, and whether each is of its run's newest records. Whoever waits for one waits for no others."""
        group = (where.experiment_id, language)
        missing = self._missing(where, listings.values(), language, first)
        soon = first if first in missing else None
        self._turn.hurry((where.experiment_id, first))
        self._background.want(group, missing, soon)
        patience = until - time.monotonic() if soon is None else FOR_ONE
        self._background.wait(group, patience, soon)
        rows = [self._row(where, listing, language) for listing in listings.values()]
        return [row for row, _ in rows], all(fresh for _, fresh in rows)

    def _missing(
        self, where: Where, listings: Iterable[Listing], language: str, first: str | None
    ) -> dict[Hashable, Job]:
        """What makes the rows that are not there: the run that is looked at, then the newest."""
        missing = [
            listing
            for listing in listings
            if listing.problem is None
            and self._kept(where, listing).row(listing.version, language) is None
        ]
        missing.sort(key=lambda each: (each.run == first, each.newest), reverse=True)
        return {each.run: partial(self._make_row, where, each, language) for each in missing}

    def _kept(self, where: Where, listing: Listing) -> CachedRun:
        return self._runs.of((where.experiment_id, listing.run))

    def _make_row(self, where: Where, listing: Listing, language: str) -> None:
        row, lasts = self._made(where, listing, language)
        self._kept(where, listing).put(listing.version, language, row, lasts=lasts)

    def _row(self, where: Where, listing: Listing, language: str) -> tuple[Json, bool]:
        base: Json = {
            "run": listing.run,
            "data_version": listing.version,
            "problem": listing.problem,
        }
        if listing.problem is not None:
            return {**base, **blank("unreadable")}, True
        kept = self._kept(where, listing)
        row = kept.row(listing.version, language)
        return {**base, **(row or kept.newest_row() or blank("reading"))}, row is not None

    def _made(self, where: Where, listing: Listing, language: str) -> tuple[Json, bool]:
        """A run's row, and whether it stays so until something is recorded: a provider that is away may be back at any time."""
        try:
            self._read(where, listing)
            with self._turn.of((where.experiment_id, listing.run)):
                run, diagnosis = self._judged(where, listing)
                return summary(run, diagnosis, language, self.judging()), True
        except Unjudged as error:
            return {**blank("unreadable"), "problem": error.why}, error.lasts
        except Exception as error:  # noqa: BLE001  (one bad run must not hide the others)
            return {**blank("unreadable"), "problem": document.why(error)}, True

    def _judged(self, where: Where, listing: Listing) -> tuple[Run, Diagnosis]:
        """A run and its diagnosis.

        Raises:
            Unjudged: there is none.
        """
        read = self._read(where, listing)
        try:
            return read.run, read.diagnosis(self._configuration.now().policy.diagnose)
        except Exception as error:  # one bad run must not hide the others
            raise _unjudged(listing, error) from error

    def _read(self, where: Where, listing: Listing) -> ReadRun:
        """A run's newest records; no rule is asked.

        Raises:
            Unjudged: it cannot be read.
        """
        key = (where.experiment_id, listing.run)
        kept = self._runs.of(key)
        with kept.lock:
            read = kept.read
            if read is None or kept.version != listing.version:
                kept.read, kept.version = None, listing.version
                kept.read = read = ReadRun(self._records(where, listing))
                self._runs.hold(key, read.run)
            return read

    def _records(self, where: Where, listing: Listing) -> Run:
        if listing.problem is not None:
            raise Unjudged(listing.run, listing.problem)
        reader = self._configuration.now().reader
        try:
            return reader.read(listing, where.context, where.experiment_id)
        except Exception as error:  # one bad run must not hide the others
            raise _unjudged(listing, error) from error

    def _entry(self, where: Where, listing: Listing, language: str) -> Json:
        rules = self.judging()
        try:
            return document.entry(*self._judged(where, listing), language, rules)
        except Unjudged as error:
            return document.unreadable(listing.run, error.why)
        except Exception as error:  # noqa: BLE001  (one bad run must not hide the others)
            return document.unreadable(listing.run, document.why(error))


def _unjudged(listing: Listing, error: Exception) -> Unjudged:
    return Unjudged(listing.run, document.why(error), lasts=isinstance(error, DAMAGED))


def _known(listings: Mapping[str, Listing], run: str) -> Listing:
    if run not in listings:
        raise errors.NotFoundError(f"run: {run[:200]!r} has nothing to judge")
    return listings[run]
