"""When findings were reported while the training ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tb_lossdiag.report.findings import walk
from tb_lossdiag.report.words import word
from tb_lossdiag.run import LiveReport, Run

Json = Mapping[str, Any]


def moments(run: Run) -> list[Json]:
    """Everything that was reported, as JSON."""
    return [{"code": said.code, "subject": said.subject, **_moment(said)} for said in run.reported]


def of_finding(run: Run, code: str, subject: str) -> list[Json]:
    """The moments of one finding."""
    mine = [said for said in run.reported if (said.code, said.subject) == (code, subject)]
    return [_moment(said) for said in mine]


def _moment(said: LiveReport) -> Json:
    return {
        "state": "cleared" if said.cleared else "appeared",
        "severity": said.severity,
        "step": said.step,
        "walltime": said.walltime,
    }


def sentence(said: Sequence[Json], language: str) -> str:
    """When a finding was reported, in words; "" for never."""
    parts = [word(f"live {one['state']}", language, step=one["step"]) for one in said]
    return word("live", language, moments=word("list", language).join(parts)) if parts else ""


def past(run: Json, language: str) -> Iterator[str]:
    """What was reported and is not found any more, one sentence each."""
    there = {(f["code"], f["subject"]) for f in walk([*run["findings"], *run["suppressed"]])}
    gone: dict[tuple[str, str], list[Json]] = {}
    for said in run["reported"]:
        if (key := (said["code"], said["subject"])) not in there:
            gone.setdefault(key, []).append(said)
    for (code, subject), mine in gone.items():
        yield " ".join(filter(None, (code, subject, sentence(mine, language))))
