"""What is said of a fault when its knob is turned, and of a case whose data come otherwise."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from unittest.mock import patch

import torch
from clinic.case import Case
from clinic.data import Batches, Samples
from clinic.knobs import KNOBS, TIMES

from metamorphic.verdicts import said
from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.engine import Diagnosis, diagnose
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.reader import Reader, open_folder
from tb_lossdiag.rules import RULES

Named = tuple[tuple[str, str], ...]


def diagnosed(train: Callable[[SummaryWriter], None]) -> Diagnosis:
    """Train with seed 0, read it back, judge it by all rules."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with SummaryWriter(folder) as writer:
            train(writer)
        reader = Reader(open_folder(folder))
        (listing,) = reader.listings().values()
        return diagnose(reader.read(listing), RULES)


def quieter(name: str) -> list[str]:
    """Turns of a knob after which its cause isn't named first, or with less severity than before."""
    knob, found, least = KNOBS[name], [], Severity.WARNING
    for times in TIMES:
        diagnosis = diagnosed(lambda writer, times=times: knob.train(writer, times))  # type: ignore[misc]
        serious = [c for c in diagnosis.causes if c.finding.severity > Severity.INFO]
        first = serious[0] if serious else None
        if first is None or first.finding.code not in knob.causes or first.worst < least:
            found.append(f"{name} x {times}: {said(diagnosis) or 'nothing'}")
        least = max(least, first.worst if first else least)
    return found


@contextlib.contextmanager
def batches(*, size: int = 1, steps: int = 1) -> Iterator[None]:
    """Within it, batches of all samples are so many times as large, or so many times as many."""
    plain = Samples.batches

    def other(samples: Samples, many: int, large: int = 64) -> Batches:
        return plain(samples, steps * many, size * large)

    with patch.object(Samples, "batches", other):
        yield


def otherwise(case: Case) -> list[str]:
    """What four times the batch and twice the steps change of the first serious cause."""
    before = said(diagnosed(case.train))
    found = []
    for words, change in (("four times the batch", {"size": 4}), ("twice the steps", {"steps": 2})):
        with batches(**change):
            after = said(diagnosed(case.train))
        if not _alike(case, before, after):
            found.append(f"{case.name}, {words}: {before or 'nothing'} became {after or 'nothing'}")
    return found


def _alike(case: Case, before: Named, after: Named) -> bool:
    """The same cause, or another one that is right; nothing where there was nothing."""
    right = {*case.expected, *case.also, *(code for code, _ in before[:1])}
    return bool(after) == bool(before) and (not after or after[0][0] in right)
