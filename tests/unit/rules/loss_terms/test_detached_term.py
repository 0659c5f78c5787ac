from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, falling, head, with_terms, without
from made.check_ups import check_steps, with_check_up
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    ATTACHED_ADDENDS,
    BACKPROPAGATED,
    LEFT_NORM,
    LOSS,
    LOSS_TERM,
    LOSS_TERM_ATTACHED,
    LOSS_WEIGHT,
    REACHING_PASSES,
    TERM_GRADIENT_NORM,
    TERM_REACH,
    THROWN_PASSES,
    Quantity,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.loss_terms.detached_term import DetachedTerm
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = DetachedTerm()
RUN = healthy_run(1)


def with_cut_term(run: Run) -> Run:
    """The second term's tensor has no path; its value stays around 1."""
    rng = np.random.default_rng(0)
    n = len(run[LOSS])
    new = with_terms(run, np.stack([falling(n), rng.lognormal(0, 0.05, n)], axis=1))
    new = changed(new, TERM_GRADIENT_NORM, np.tile([1.0, 0.0], (len(run[TERM_GRADIENT_NORM]), 1)))
    return changed(new, LOSS_TERM_ATTACHED, np.tile([1.0, 0.0], (n, 1)))


SICK = with_cut_term(RUN)
CUT = without(SICK, TERM_GRADIENT_NORM)
_NORMS = SICK[TERM_GRADIENT_NORM]
_SOME = table(TERM_GRADIENT_NORM, _NORMS.steps[:15], _NORMS.values[:15], _NORMS.columns)
CUT_EARLY = Run(
    "early",
    {**without(SICK, LOSS_TERM_ATTACHED).tables, TERM_GRADIENT_NORM.name: _SOME},
    SICK.facts,
)
"""Decomposed in its first half only, and by nothing else known to be cut."""


def test_a_gradient_that_is_always_0_is_sure() -> None:
    finding = the_finding(RULE, with_cut_term(RUN))
    assert finding.severity is Severity.WARNING
    assert finding.subject == "aux"
    assert "exactly 0 in all 31 decompositions" in finding.message.en


def test_a_tensor_without_a_path_that_does_not_improve_is_a_warning() -> None:
    finding = the_finding(RULE, CUT)
    assert finding.severity is Severity.WARNING
    assert "aux.requires_grad" in finding.advice.en


def test_one_that_improves_was_detached_for_recording() -> None:
    both = with_terms(CUT, np.stack([falling(200), falling(200, seed=1)], axis=1))
    assert the_finding(RULE, both).severity is Severity.INFO


def added(addends: npt.ArrayLike = 1.0, off: npt.ArrayLike = 0.0) -> Run:
    """Both terms fall, the second without a path, and the loss is their sum, of which so many parts have one."""
    both = with_terms(CUT, np.stack([falling(200), falling(200, seed=1)], axis=1))
    parts = both[LOSS_TERM].values * both[LOSS_WEIGHT].values
    return with_check_up(changed(both, LOSS, parts.sum(axis=1) + off), ATTACHED_ADDENDS, addends)


def test_one_that_improves_and_is_a_part_of_the_loss_without_a_path() -> None:
    finding = the_finding(RULE, added())
    assert finding.severity is Severity.WARNING
    assert "in the loss, and not trained" in finding.message.en


def counted(step: float, *, off: float = 0.0) -> Run:
    """The same where the sum has two parts with a path beside one without, and the term is a count."""
    run = added(2.0)
    values = run[LOSS_TERM].values.astype(float)
    values[:, 1] = step * np.round(values[:, 1] / step)
    total = (values * run[LOSS_WEIGHT].values).sum(axis=1) + off
    return changed(changed(run, LOSS_TERM, values), LOSS, total)


@pytest.mark.parametrize("step", [1 / 32, 0.0537])
def test_a_count_is_a_part_of_the_loss_however_many_parts_the_others_have(step: float) -> None:
    finding = the_finding(RULE, counted(step))
    assert finding.severity is Severity.WARNING
    assert "it is a count, which has no slope" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [counted(1 / 32, off=0.1), counted(1 / 1024), without(counted(1 / 32), ATTACHED_ADDENDS)],
)
def test_a_count_beside_the_loss_or_a_rounded_number_stays_an_information(run: Run) -> None:
    assert the_finding(RULE, run).severity is Severity.INFO


CHECKS = np.arange(len(added()[ATTACHED_ADDENDS]))


@pytest.mark.parametrize(
    "run",
    [
        added(2.0),  # a constant beside both
        added(np.where(CHECKS == 3, 2.0, 1.0)),
        added(off=0.1),  # the sum without it, or with something else
        without(added(), LOSS),
        changed(added(), LOSS, np.nan),
        changed(added(), ATTACHED_ADDENDS, np.ones((31, 2)), ("a", "b")),
        replace(
            added(),
            tables={**added().tables, ATTACHED_ADDENDS.name: head(added(), 2)[ATTACHED_ADDENDS]},
        ),
    ],
)
def test_what_may_be_detached_for_recording_stays_an_information(run: Run) -> None:
    assert the_finding(RULE, run).severity is Severity.INFO


def test_what_has_a_gradient_is_connected() -> None:
    norms = np.ones_like(RUN[TERM_GRADIENT_NORM].values)
    assert not findings(RULE, changed(with_cut_term(RUN), TERM_GRADIENT_NORM, norms))


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_when_all_are_detached() -> None:
    assert not findings(RULE, changed(CUT, LOSS_TERM_ATTACHED, np.zeros((200, 2))))


def test_clear_when_it_was_attached_once() -> None:
    now_and_then = CUT[LOSS_TERM_ATTACHED].values.copy()
    now_and_then[7, 1] = 1
    assert not findings(RULE, changed(CUT, LOSS_TERM_ATTACHED, now_and_then))


def test_clear_when_it_counts_for_nothing() -> None:
    assert not findings(RULE, changed(CUT, LOSS_WEIGHT, np.tile([1.0, 0.0], (200, 1))))
    met = CUT[LOSS_TERM].values * [1.0, 0.0]
    assert not findings(RULE, changed(with_cut_term(RUN), LOSS_TERM, met))


def test_evidence_is_the_term() -> None:
    evidence, steps = first_evidence(RULE, CUT), RUN[LOSS_TERM].steps
    assert (evidence.quantity, evidence.column) == (LOSS_TERM.name, "aux")
    assert (evidence.first_step, evidence.last_step) == (steps[0], steps[-1])


def test_not_evaluated_on_numbers_or_few_records() -> None:
    numbers = changed(CUT, LOSS_TERM_ATTACHED, np.full((200, 2), np.nan))
    assert outcome(RULE, numbers).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, head(CUT, 4)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(CUT, LOSS_TERM)).missing == (LOSS_TERM.name,)


def test_a_term_that_counted_only_when_nobody_decomposed_is_not_judged() -> None:
    early = CUT_EARLY[LOSS_WEIGHT].values.copy()
    early[:150, 1] = 0
    assert findings(RULE, CUT_EARLY)
    assert not findings(RULE, changed(CUT_EARLY, LOSS_WEIGHT, early))


def played(changes: Mapping[str, npt.ArrayLike] = {}, run: Run = RUN) -> Run:
    """A maker's steps are made with both terms; "aux" reaches its judge alone, who resets that pass before its own."""
    run = changed(without(run, TERM_GRADIENT_NORM), LOSS_TERM_ATTACHED, 1.0)
    steps = check_steps(run[LOSS].steps)
    both = (run[LOSS_TERM].values * run[LOSS_WEIGHT].values).sum(axis=1)
    first, second = run[LOSS_TERM].columns
    maker = both[np.searchsorted(run[LOSS].steps, steps)]
    names = tuple(f"{t} × {m}" for m in ("maker", "judge") for t in (first, second))
    made: dict[Quantity, tuple[npt.ArrayLike, tuple[str, ...]]] = {
        BACKPROPAGATED: (np.stack([maker, maker + 1.3], axis=1), ("maker", "judge")),
        REACHING_PASSES: ([1.0, 2.0], ("maker", "judge")),
        THROWN_PASSES: ([1.0, 1.0], ("maker", "judge")),
        LEFT_NORM: ([0.0, 0.0], ("maker", "judge")),
        TERM_REACH: ([6.0, 0.0, 0.0, 4.0], names),
    }
    tables = dict(run.tables)
    for quantity, (values, columns) in made.items():
        given = np.asarray(changes.get(quantity.name, values), float)
        matrix = np.broadcast_to(given, (len(steps), len(columns)))
        tables[quantity.name] = table(quantity, steps, matrix, columns)
    return replace(run, tables=tables)


def test_a_term_that_reaches_only_a_player_who_throws_its_gradient_away() -> None:
    finding = the_finding(RULE, played())
    assert (finding.subject, finding.severity) == ("aux", Severity.WARNING)
    assert "It reaches `judge` alone" in finding.message.en
    assert "torch.autograd.grad(term" in finding.advice.en
    assert first_evidence(RULE, played()).column == "aux × maker"


CHANGED = played()[BACKPROPAGATED].values


@pytest.mark.parametrize(
    "changes",
    [
        {"term_reach": [6.0, 1.0, 0.0, 4.0]},  # it reaches the maker
        {"term_reach": [6.0, 0.0, 0.0, 0.0]},  # it reaches nobody who is watched
        {"term_reach": [0.0, 0.0, 0.0, 4.0]},  # the maker learns from neither
        {"term_reach": [[6, i == 2, 0, 4] for i in range(len(CHANGED))]},
        {"backpropagated": np.add(CHANGED, [0.3, 0.0])},  # another sum
        {"reaching_passes": [2.0, 2.0]},  # the maker's passes are several
        {"reaching_passes": [1.0, 1.0]},  # the judge's step uses the very pass
        {"thrown_passes": [1.0, 0.0]},
        {"left_norm": [0.0, 0.1]},  # nothing is reset
        {"left_norm": [0.0, np.nan]},
    ],
)
def test_a_gradient_that_somebody_uses_is_no_detached_terms(
    changes: dict[str, npt.ArrayLike],
) -> None:
    assert not findings(RULE, played(changes))


@pytest.mark.parametrize(
    "quantity", [TERM_REACH, BACKPROPAGATED, REACHING_PASSES, THROWN_PASSES, LEFT_NORM]
)
def test_players_are_not_judged_by_halves(quantity: Quantity) -> None:
    assert not findings(RULE, without(played(), quantity))


def test_a_term_of_hardly_anything_may_be_in_the_sum_or_not() -> None:
    small = changed(RUN, LOSS_TERM, RUN[LOSS_TERM].values * [1.0, 1e-9])
    assert not findings(RULE, played(run=small))
