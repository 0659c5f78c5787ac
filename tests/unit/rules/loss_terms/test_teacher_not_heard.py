from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.records import Table, table
from tb_lossdiag.rules.loss_terms.teacher_not_heard import TeacherNotHeard
from tb_lossdiag.run import Run

RULE = TeacherNotHeard()
RUN = healthy_run(1)
AT = check_steps(RUN[q.LOSS].steps)
CALLS = ("cross_entropy", "kl_div")


def _both(quantity: q.Quantity, named: float, soft: float) -> Table:
    return table(quantity, AT, np.tile([named, soft], (len(AT), 1)), CALLS)


def taught(temperature: float = 4.0, weight: float = 0.7, named: float = 0.3) -> Run:
    """A teacher's answers, softened by this and weighed so, beside labels."""
    tables = [
        _both(q.CALL_TEMPERATURE, np.nan, temperature),
        _both(q.CALL_ARRIVED, named, weight),
        _both(q.CALL_TARGET_INDEX, 1, 0),
    ]
    return with_tables(RUN, tables)


SICK = taught(20.0)


def averaged(classes: float, temperature: float = 2.0, weight: float = 2.0) -> Run:
    """The same, and its mean runs over the classes as well."""
    over = _both(q.CALL_OVER_CLASSES, np.nan, classes)
    return with_tables(taught(temperature, weight, 0.5), [over])


def test_a_square_that_was_forgotten() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "softened by 20" in finding.message.en
    assert "counts 2.33 times what `cross_entropy` counts" in finding.message.en
    assert "pulls 0.00583 times" in finding.message.en


@pytest.mark.parametrize(
    ("temperature", "weight", "named", "fires"),
    [
        (4.0, 0.23, 0.3, True),
        (4.0, 0.25, 0.3, False),
        (2.9, 0.12, 0.3, False),
        (4.0, 0.7 * 16, 0.3, False),  # multiplied back
        (8.0, 0.07, 0.3, True),
        (8.0, 0.05, 0.3, False),  # meant to count little
        (8.0, 0.7, 0.0, False),  # labels count for nothing
    ],
)
def test_the_bounds(temperature: float, weight: float, named: float, fires: bool) -> None:
    assert bool(findings(RULE, taught(temperature, weight, named))) is fires


def test_once_or_twice_is_not_enough() -> None:
    few = table(q.CALL_TEMPERATURE, AT[:2], np.full(2, 20.0), ("kl_div",))
    assert not findings(RULE, with_tables(SICK, [few]))


def test_scores_that_nobody_names_classes_for_are_not_judged() -> None:
    none = _both(q.CALL_TARGET_INDEX, 0, 0)
    assert not findings(RULE, with_tables(SICK, [none]))


def test_a_mean_over_the_classes_is_named() -> None:
    finding = the_finding(RULE, averaged(48.0))
    assert "over 48 classes" in finding.message.en
    assert (
        "counts 4 times what `cross_entropy` counts, and pulls 0.0208 times" in finding.message.en
    )
    assert "batchmean" in finding.advice.en


@pytest.mark.parametrize(
    ("classes", "temperature", "weight", "fires"),
    [
        (1.0, 2.0, 2.0, False),  # a mean of samples
        (10.0, 4.0, 0.5 * 16, False),
        (10.0, 1.0, 0.5, False),
        (100.0, 6.0, 0.5 * 19 * 36, False),  # a weight that makes up for it
        (100.0, 1.0, 0.5, True),
        (1000.0, 1.0, 0.09, False),  # meant to count little
    ],
)
def test_the_bounds_of_a_mean_over_classes(
    classes: float, temperature: float, weight: float, fires: bool
) -> None:
    assert bool(findings(RULE, averaged(classes, temperature, weight))) is fires
