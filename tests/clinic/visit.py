"""One visit: trains a case with one seed, reads its event file back, and diagnoses it."""

from __future__ import annotations

import importlib
import random
import tempfile
import time
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from clinic import abroad
from clinic.case import Case
from clinic.cases import CASES

from claims.check import untrue
from metamorphic.verdicts import differences
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
        told: codes of all warnings and errors, folded ones as well.
        ended: what ended the training before its time; "" where nothing did.
        otherwise: what is said of the same training in other records, where that is something else; not asked abroad.
    """

    case: str
    seed: int
    causes: tuple[Named, ...]
    folded: tuple[str, ...]
    failed: tuple[str, ...]
    seconds: float
    untrue: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    ended: str = ""
    otherwise: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """Code of the first serious cause; "" where there is none."""
        return next((cause.code for cause in self.causes if cause.severity in SERIOUS), "")

    @property
    def serious(self) -> tuple[str, ...]:
        """Codes of the causes that are warnings or errors."""
        return tuple(cause.code for cause in self.causes if cause.severity in SERIOUS)


def visit(name: str, seed: int, module: str = "") -> Result:
    """Train a case and diagnose it, in this process; one from abroad is named with the module that enters it."""
    case = _case(name, module)
    _seed(seed)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        with SummaryWriter(folder) as writer:
            ended = _trained(case, writer)
        return _diagnosed(case, seed, folder, time.perf_counter() - started, ended)


def _case(name: str, module: str) -> Case:
    if not module:
        return CASES[name]
    importlib.import_module(module)
    return abroad.ABROAD[name]


def _seed(seed: int) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (what other people's programs draw from)
    random.seed(seed)


def _trained(case: Case, writer: SummaryWriter) -> str:
    """Train; abroad, where frameworks run the loop, what ends it is a result like any other."""
    if case.name not in abroad.ABROAD:
        case.train(writer)
        return ""
    try:
        case.train(writer)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return ""


def _diagnosed(case: Case, seed: int, folder: str, seconds: float, ended: str) -> Result:
    reader = Reader(open_folder(folder))
    listings = list(reader.listings().values())
    if ended and not listings:
        return Result(case.name, seed, (), (), (), seconds, ended=ended)
    (listing,) = listings
    rules = chosen(thresholds=map(Threshold.option, case.thresholds))
    run = reader.read(listing)
    found = diagnose(run, rules)
    causes = tuple(
        Named(f.code, Severity(f.severity).name.lower(), f.subject, f.message.en)
        for f in (cause.finding for cause in found.causes)
    )
    leading = {cause.code for cause in causes}
    findings = list(found.findings())
    folded = tuple(dict.fromkeys(f.code for f in findings if f.code not in leading))
    told = tuple(dict.fromkeys(f.code for f in findings if f.severity >= Severity.WARNING))
    failed = tuple(o.code for o in found.outcomes if o.verdict is Verdict.FAILED)
    claims = tuple(untrue(run, found))
    otherwise = () if case.name in abroad.ABROAD else tuple(differences(run, rules))
    return Result(case.name, seed, causes, folded, failed, seconds, claims, told, ended, otherwise)
