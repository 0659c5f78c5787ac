"""One visit: trains a case with one seed, reads its event file back, and diagnoses it."""

from __future__ import annotations

import tempfile
import time
import warnings
from dataclasses import dataclass

import torch
from clinic.cases import CASES

from claims.check import untrue
from tb_lossdiag import SummaryWriter
from tb_lossdiag.config import Threshold, chosen
from tb_lossdiag.diagnosis.engine import Verdict, diagnose
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.reader import Reader, open_folder

SERIOUS = ("warning", "error")


@dataclass(frozen=True)
class Named:
    """A leading finding, in short."""

    code: str
    severity: str
    subject: str
    message: str


@dataclass(frozen=True)
class Result:
    """What the diagnosis said.

    Attributes:
        case: name of the case.
        seed: of its training.
        causes: leading findings, in the order of the diagnosis.
        folded: codes that the causes explain.
        failed: rules that raised.
        seconds: of the training.
        untrue: what findings say and the records do not.
    """

    case: str
    seed: int
    causes: tuple[Named, ...]
    folded: tuple[str, ...]
    failed: tuple[str, ...]
    seconds: float
    untrue: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """Code of the first serious cause; "" where there is none."""
        return next((cause.code for cause in self.causes if cause.severity in SERIOUS), "")

    @property
    def serious(self) -> tuple[str, ...]:
        """Codes of the causes that are warnings or errors."""
        return tuple(cause.code for cause in self.causes if cause.severity in SERIOUS)


def visit(name: str, seed: int) -> Result:
    """Train a case and diagnose it, in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        with SummaryWriter(folder) as writer:
            CASES[name].train(writer)
        return _diagnosed(name, seed, folder, time.perf_counter() - started)


def _diagnosed(name: str, seed: int, folder: str, seconds: float) -> Result:
    reader = Reader(open_folder(folder))
    (listing,) = reader.listings().values()
    rules = chosen(thresholds=map(Threshold.option, CASES[name].thresholds))
    run = reader.read(listing)
    found = diagnose(run, rules)
    causes = tuple(
        Named(f.code, Severity(f.severity).name.lower(), f.subject, f.message.en)
        for f in (cause.finding for cause in found.causes)
    )
    leading = {cause.code for cause in causes}
    folded = tuple(dict.fromkeys(f.code for f in found.findings() if f.code not in leading))
    failed = tuple(o.code for o in found.outcomes if o.verdict is Verdict.FAILED)
    return Result(name, seed, causes, folded, failed, seconds, tuple(untrue(run, found)))
