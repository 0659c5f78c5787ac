"""One word for a run, and what would let more rules judge it. The command line, the tab and every report ask here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from tb_lossdiag.diagnosis.engine import Diagnosis, Outcome, Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.diagnosis.ways import joined
from tb_lossdiag.quantities import BY_NAME

BROKEN, WARNING, HEALTHY = "broken", "warning", "healthy"
NOTHING_FOUND = "nothing found"
"""No finding, but fewer than half of the rules could look: no proof of health."""
TOO_EARLY = "too early"
TOO_LITTLE = "too little recorded"
"""No finding, and none of the rules that judge a loss could."""

_FEW = 10
"""Steps: with fewer, hardly any rule has judged the course of the loss."""
_ENOUGH = 0.5
"""Share of the rules."""
_OF_THE_CURVE = "LD1"
"""Who leaves these out, asks for no judgement of the loss."""
_OF_AN_AGENT = "LDR"
_OF_THE_LOSS = (_OF_THE_CURVE, "LD5", _OF_AN_AGENT)
_OF_THE_RECORD = "LD9"
"""Those judge the record, not the training."""


def status(diagnosis: Diagnosis, steps: int) -> str:
    """One of the words above; infos do not make a run unhealthy.

    Args:
        diagnosis: what the rules said.
        steps: of the run; a handful of them, such as a file that was cut off, shows no health.
    """
    worst = diagnosis.worst
    if worst is not None and worst > Severity.INFO:
        return BROKEN if worst is Severity.ERROR else WARNING
    asked = [each for each in diagnosis.outcomes if _concerns(each)]
    if steps < _FEW or not asked:
        return TOO_EARLY
    of_the_loss = [each for each in asked if each.code.startswith(_OF_THE_LOSS)]
    about_it = any(each.code.startswith(_OF_THE_CURVE) for each in asked)
    if about_it and not any(map(could_judge, of_the_loss)):
        return TOO_LITTLE
    looked = sum(could_judge(each) or each.absent for each in asked)
    return HEALTHY if looked >= _ENOUGH * len(asked) else NOTHING_FOUND


def _concerns(outcome: Outcome) -> bool:
    """Whether a rule is of the training, and of its kind."""
    if outcome.code.startswith(_OF_AN_AGENT):
        return not outcome.absent
    return not outcome.code.startswith(_OF_THE_RECORD)


def could_judge(outcome: Outcome) -> bool:
    """Whether the rule said something about the run."""
    return outcome.verdict in {Verdict.CLEAR, Verdict.FINDINGS}


def unlocks(outcomes: Iterable[Outcome]) -> Mapping[str, tuple[str, ...]]:
    """What a user would have to do, and the rules that could judge then; what unlocks most comes first.

    A rule that misses several things stands under all of them together. Rules that had been given what they need, and found too
    little of it or nothing of their kind, are in none.
    """
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.missing and not outcome.absent:
            found.setdefault(_how(outcome.missing), []).append(outcome.code)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return {way: tuple(codes) for way, codes in ordered if way}


@lru_cache(maxsize=2048)
def _how(missing: tuple[str, ...]) -> str:
    """How all of these get recorded."""
    return joined(BY_NAME[name].how for name in missing if name in BY_NAME)
