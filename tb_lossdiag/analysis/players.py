"""Two players, told by the names of their models and loss terms: who judges, who makes, what each one's loss and gradient do."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.diagnosis.rule import NotEnough, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

ROLES = {
    "judge": ("d", "disc", "discriminator", "critic", "netd", "dis"),
    "maker": ("g", "gen", "generator", "netg"),
}
FIRST = 5
"""Records whose median is the start: a quick win shows within tens."""
Sides = dict[str, list[str]]
Curve = tuple[Steps, Doubles]


def of_players(run: Run) -> Quantity:
    """What holds the loss of each player: the terms, or what each watched model was given; reads `LOSS_TERM` and `PLAYER_LOSS`."""
    terms = sides(run[q.LOSS_TERM].columns) if q.LOSS_TERM in run else {}
    told = bool(terms) and all(terms.values())
    return q.LOSS_TERM if told or q.PLAYER_LOSS not in run else q.PLAYER_LOSS


def players(run: Run, losses: Quantity = q.LOSS_TERM) -> tuple[Sides, Sides]:
    """The watched model of each, and its loss terms."""
    models = sides(run[q.GLOBAL_NORM].columns)
    terms = sides(run[losses].columns if losses in run else ())
    if any(len(models[role]) != 1 or not terms[role] for role in ROLES):
        raise NotEnough(
            Text(
                "two watched models and a loss term of each, named after discriminator and generator"
            )
        )
    return models, terms


def sides(columns: Sequence[str]) -> Sides:
    """The columns of each role, by the words of their names.

    >>> sides(("lossD", "fool", "g_loss"))
    {'judge': ['lossD'], 'maker': ['g_loss']}
    """
    found: Sides = {role: [] for role in ROLES}
    for column in sorted(columns):
        words = set(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", column).lower()))
        for role, names in ROLES.items():
            if words & set(names):
                found[role].append(column)
    return found


def is_a_game(run: Run) -> bool:
    """Whether two watched models are told apart as who judges and who makes: one's loss rises as the other's falls. Reads `STEPS`."""
    return q.STEPS in run and all(sides(run[q.STEPS].columns).values())


def summed(run: Run, terms: list[str], losses: Quantity = q.LOSS_TERM) -> Curve:
    """Sum of some terms at the steps at which all of them are finite (a discriminator may have one for real and one for fake)."""
    table = run[losses]
    values = np.stack([table.column(term) for term in terms]).astype(np.float64).sum(axis=0)
    finite = np.isfinite(values)
    return table.steps[finite], values[finite]


def known_norms(run: Run, model: str) -> Curve:
    """Steps and finite gradient norms of a model."""
    norms = run[q.GLOBAL_NORM].column(model).astype(np.float64)
    finite = np.isfinite(norms)
    return run[q.GLOBAL_NORM].steps[finite], norms[finite]


def around(run: Run, model: str, step: int) -> tuple[float, float]:
    """Median gradient norm of a model before a step and from it on; NaN where there is none."""
    steps, norms = known_norms(run, model)
    parts = norms[steps < step], norms[steps >= step]
    before, after = (float(np.median(part)) if len(part) else float("nan") for part in parts)
    return before, after


def start(values: Doubles) -> float:
    """Median of the first records; NaN without one."""
    return float(np.median(values[:FIRST])) if len(values) else float("nan")


def turned_round(run: Run) -> bool:
    """Whether a custom function hands on the opposite of its gradient, so that one loss holds two players.

    Reads `CUSTOM_AGREEMENT` and `CUSTOM_NESTED` if they are there.
    """
    if q.CUSTOM_AGREEMENT not in run or q.CUSTOM_NESTED not in run:
        return False
    cosines, nested = (run.highest(each).values for each in (q.CUSTOM_AGREEMENT, q.CUSTOM_NESTED))
    odd = median(nested, axis=0) % 2 == 1  # a second one on the way turns it back
    return bool((odd & (median(cosines, axis=0) <= _OPPOSITE)).any())


_OPPOSITE = -0.99
"""Cosine; an exact opposite is -1 but for rounding."""
