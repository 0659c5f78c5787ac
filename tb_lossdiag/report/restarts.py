"""Where a run was taken up again, and how much of it was done again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tb_lossdiag.report.words import word
from tb_lossdiag.run import Run

Json = Mapping[str, Any]

_MOST = 5
"""Restarts that are told one by one; a run has one for each epoch where its numbers begin again."""


def restarts(run: Run) -> list[Json]:
    """All of them, as JSON."""
    return [
        {
            "kind": restart.kind,
            "step": restart.step,
            "walltime": restart.walltime,
            "undone": restart.undone,
            "named": restart.named,
        }
        for restart in run.restarts
    ]


def sentence(run: Json, language: str) -> str:
    """All of a run of the document in one line, "" for none."""
    found = run.get("restarts", [])
    told = [_one(restart, language) for restart in found[:_MOST]]
    if rest := found[_MOST:]:
        told.append(_counted(word("further", language, count=len(rest)), rest, language))
    return word("restarts", language, restarts=word("list", language).join(told)) if told else ""


def _one(restart: Json, language: str) -> str:
    step, named = restart["step"], restart["named"]
    what = word(f"restart {restart['kind']}", language, step=step, named=named)
    return _counted(what, [restart], language)


def _counted(what: str, some: list[Json], language: str) -> str:
    undone = sum(restart["undone"] for restart in some)
    return word("undone", language, what=what, count=undone) if undone else what
