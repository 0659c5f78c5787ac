"""Runs and their diagnoses, kept until something new was recorded."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from tensorboard import errors

from tb_lossdiag.plugin.configuration import Configuration
from tb_lossdiag.plugin.parse import Where
from tb_lossdiag.quantities import LOSS, Quantity
from tb_lossdiag.reader import Listing
from tb_lossdiag.records import Run, Table
from tb_lossdiag.report import document
from tb_lossdiag.report.compare import Judged, compare
from tb_lossdiag.rules.engine import Diagnosis, Verdict
from tb_lossdiag.rules.rule import Severity

Json = dict[str, Any]


class Clinic:
    """Answers the routes' questions. Handlers run concurrently; what is kept is guarded.

    Args:
        provider: the context's data provider.
        configuration: how runs are read and judged.
    """

    def __init__(self, provider: Any, configuration: Configuration) -> None:
        self._provider = provider
        self._configuration = configuration
        self._kept: dict[tuple[str, str], tuple[str, Run, Diagnosis]] = {}
        self._lock = threading.Lock()

    def overview(self, where: Where, language: str, logdir: str) -> Json:
        """Every run with its state, and the names of those without records of ours."""
        listings = self._listings(where)
        known = self._provider.list_runs(where.context, experiment_id=where.experiment_id)
        parts = {part for listing in listings.values() for part in listing.parts}
        others = sorted({run.run_name for run in known} - parts)
        runs = [self._summary(where, listing, language) for listing in listings.values()]
        return {
            "version": 1,
            "runs": runs,
            "without_data": others,
            "logdir": logdir,
            **self._configuration.now().notes(),
        }

    def document(self, where: Where, run: str | None, language: str) -> Json:
        """The diagnosis of one run or of all."""
        listings = self._listings(where)
        wanted = listings.values() if run is None else [_known(listings, run)]
        entries = [self._entry(where, listing, language) for listing in wanted]
        return {"version": document.VERSION, "runs": entries}

    def compare(self, where: Where, names: tuple[str, str], language: str) -> Json:
        """Two runs side by side."""
        rules, listings = self._configuration.now().policy.rules, self._listings(where)
        chosen = [_known(listings, name) for name in names]
        for listing in chosen:
            if listing.problem is not None:
                raise errors.NotFoundError(f"run {listing.run[:200]!r}: {listing.problem}")
        a, b = (self._judged(where, listing) for listing in chosen)
        return compare(Judged(*a, rules), Judged(*b, rules), language)

    def rules(self, language: str) -> Json:
        """The rules that judge, with their thresholds."""
        return document.rules(language, self._configuration.now().policy.rules)

    def table(self, where: Where, run: str, quantity: Quantity) -> tuple[Table, Table | None]:
        """A table, and the one that counts its non-finite values."""
        listing = _known(self._listings(where), run)
        if listing.problem is not None:
            raise errors.NotFoundError(f"run {run!r}: {listing.problem}")
        data = self._judged(where, listing)[0]
        if quantity not in data:
            raise errors.NotFoundError(
                f"{quantity.name} was not recorded in run {run!r}: {quantity.how}"
            )
        return data[quantity], data.tables.get(quantity.nonfinite or "")

    def _listings(self, where: Where) -> Mapping[str, Listing]:
        return self._configuration.now().reader.listings(where.context, where.experiment_id)

    def _judged(self, where: Where, listing: Listing) -> tuple[Run, Diagnosis]:
        key = (where.experiment_id, listing.run)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept[0] != listing.version:
                state = self._configuration.now()
                run = state.reader.read(listing, where.context, where.experiment_id)
                kept = self._kept[key] = (listing.version, run, state.policy.diagnose(run))
            return kept[1], kept[2]

    def _entry(self, where: Where, listing: Listing, language: str) -> Json:
        if listing.problem is not None:
            return document.unreadable(listing.run, listing.problem)
        rules = self._configuration.now().policy.rules
        return document.entry(*self._judged(where, listing), language, rules)

    def _summary(self, where: Where, listing: Listing, language: str) -> Json:
        base: Json = {
            "run": listing.run,
            "data_version": listing.version,
            "problem": listing.problem,
        }
        if listing.problem is not None:
            return {**base, **_nothing()}
        return {**base, **_summary(*self._judged(where, listing), language)}


def _known(listings: Mapping[str, Listing], run: str) -> Listing:
    if run not in listings:
        raise errors.NotFoundError(f"run: {run[:200]!r} has nothing to judge")
    return listings[run]


def _nothing() -> Json:
    return {
        "status": "unreadable",
        "steps": 0,
        "first_step": None,
        "last_step": None,
        "last_walltime": None,
        "counts": {severity.label: 0 for severity in Severity},
        "outcomes": {verdict.value: 0 for verdict in Verdict},
        "top": "",
        "loss": None,
        "quantities": [],
    }


def _summary(run: Run, diagnosis: Diagnosis, language: str) -> Json:
    found = [cause.finding.severity for cause in diagnosis.causes]
    verdicts = [outcome.verdict for outcome in diagnosis.outcomes]
    times = [float(table.walltimes[-1]) for table in run.tables.values() if len(table)]
    top = diagnosis.causes[0].finding.message.in_language(language) if diagnosis.causes else ""
    return {
        "status": document.status(diagnosis),
        "steps": document.records(run),
        "first_step": run.first_step(),
        "last_step": run.last_step(),
        "last_walltime": max(times, default=None),
        "counts": {severity.label: found.count(severity) for severity in Severity},
        "outcomes": {verdict.value: verdicts.count(verdict) for verdict in Verdict},
        "top": top,
        "loss": document.number(float(run[LOSS].values[-1, 0])) if LOSS in run else None,
        "quantities": list(run.tables),
    }
