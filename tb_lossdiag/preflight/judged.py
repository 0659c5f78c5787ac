"""What the rules say of a recorded trial."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tb_lossdiag.collect.check_up import Example, Subject
from tb_lossdiag.collect.check_up.model.arguments import Arguments
from tb_lossdiag.collect.probes import Outcome, Prober
from tb_lossdiag.diagnosis.engine import Diagnosis, diagnose
from tb_lossdiag.quantities import CALL_TARGET_AHEAD
from tb_lossdiag.reader import Reader, open_folder
from tb_lossdiag.records import Table, table
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

_TIMELESS = frozenset(
    {
        "LD101", "LD106", "LD110", "LD112",
        "LD204", "LD205", "LD206", "LD404",
        "LD501", "LD502", "LD503", "LD504", "LD505", "LD506", "LD507", "LD510", "LD511", "LD514", "LD516",
        "LD603", "LD604", "LD605", "LD610",
        "LD703", "LD705", "LD706", "LD708", "LD716", "LD717", "LD718", "LD719", "LD720", "LD722",
    }
)  # fmt: skip
"""Rules about what stands in the code; the others judge how a training goes, and one batch is none."""
_LATE = 10**6
"""Steps that the probes are told of: they take as many passes as they need."""


def read(folder: Path) -> Run:
    """The run that a trial left; one without records where there was nothing to record."""
    reader = Reader(open_folder(str(folder)))
    listings = list(reader.listings().values())
    return reader.read(listings[0]) if listings else Run("")


def probed(run: Run, subject: Subject, given: Arguments) -> Run:
    """The same run, with what copies of the model answer."""
    ahead = CALL_TARGET_AHEAD in run and bool((run[CALL_TARGET_AHEAD].values == 1).any())
    prober = Prober(subject)
    words: dict[str, str] = {}
    tables: dict[str, Table] = {}
    for _ in range(2):  # of two axes that may hold the samples, each is asked apart
        outcome = prober.run(_LATE, Example(given, ahead)) if prober.due(_LATE) else Outcome()
        words |= outcome.words
        made = [
            table(q, [0], [[float(value)]], (subject.name,)) for q, value in outcome.facts.items()
        ]
        tables = {**{t.quantity.name: t for t in made}, **tables}
    return replace(run, tables={**run.tables, **tables}, facts={**run.facts, **words})


def judged(run: Run) -> Diagnosis:
    """By the rules that need no training."""
    return diagnose(run, [rule for rule in RULES if rule.code in _TIMELESS])
