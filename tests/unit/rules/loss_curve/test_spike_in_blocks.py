"""LD103 on data that come in blocks: the loss leaps and stays, after steps like any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import the_finding
from made.changes import changed, falling, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import GRADIENT_NORM, LEARNING_RATE, LOSS, PARAMETER_NORM
from tb_lossdiag.records import Doubles, table
from tb_lossdiag.rules.loss_curve.loss_spike import LossSpike
from tb_lossdiag.run import Run

RULE = LossSpike()
RUN = healthy_run(0)
BEGIN = (80, 113, 160)
"""Of three blocks at uneven distances."""
BLOCK = 6.0 * np.linspace(1, 0.6, 12)


def in_blocks(block: Doubles = BLOCK, begin: tuple[int, ...] = BEGIN) -> Run:
    """A run whose loss and gradients are as many times as high in each block."""
    values, norms = falling(200), RUN[GRADIENT_NORM].values.astype(float)
    for at in begin:
        values[at : at + len(block)] *= block
        norms[at : at + len(block)] *= block[:, None]
    return changed(with_loss(RUN, values), GRADIENT_NORM, norms)


def before_each(run: Run, factor: float) -> Run:
    """The run with gradients that are larger in the record before each block."""
    norms = run[GRADIENT_NORM].values.copy()
    norms[np.array(BEGIN) - 1] *= factor
    return changed(run, GRADIENT_NORM, norms)


def raised(run: Run, factor: float) -> Run:
    """The run with a rate that is higher in the record before each block."""
    rates = run[LEARNING_RATE].values.copy()
    rates[np.array(BEGIN) - 1] *= factor
    return changed(run, LEARNING_RATE, rates)


def made_anew(run: Run, share: float) -> Run:
    """The run with weights that triple, and lose so much of that again when a block begins."""
    begin = run[LOSS].steps[list(BEGIN)]
    steps = np.arange(0, 1 + int(run[LOSS].steps[-1]), 5)
    past = steps - np.array([max([0, *begin[begin <= step]]) for step in steps])
    lost = np.where(steps < begin[0], 1.0, share)
    grown = 2 * np.minimum(1, (1 - lost) + lost * past / 50)
    norms = table(PARAMETER_NORM, steps, np.tile(1 + grown[:, None], 2), ("a", "b"))
    return replace(run, tables={**run.tables, PARAMETER_NORM.name: norms})


@pytest.mark.parametrize(
    "run",
    [
        in_blocks(),
        in_blocks(np.full(6, 30.0)),  # violent, and back at once
        in_blocks(np.r_[12.0, 4.8, np.full(8, 3.5)]),
        in_blocks(np.r_[6.0, 23.0, np.full(8, 8.0)]),  # noisy blocks
        in_blocks(np.full(30, 6.0), BEGIN[:1] + BEGIN[2:]),  # two that come back
        before_each(in_blocks(), 2.0),
        raised(in_blocks(), 1.2),
        made_anew(in_blocks(), 0.6),
    ],
)
def test_blocks_of_data_are_no_harm(run: Run) -> None:
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.INFO
    assert "data that come in blocks" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [
        in_blocks(np.r_[12.0, np.full(8, 3.5)]),  # most is gone at once, as after one bad batch
        in_blocks(np.r_[6.0, 26.0, np.full(8, 8.0)]),  # it goes on up
        in_blocks(np.full(30, 6.0), BEGIN[:1]),
        before_each(in_blocks(), 5.0),
        raised(in_blocks(), 3.0),
        made_anew(in_blocks(), 0.9),
        without(in_blocks(), GRADIENT_NORM),
    ],
)
def test_what_steps_may_have_done_is(run: Run) -> None:
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.WARNING
    assert "blocks" not in finding.message.en


def test_a_third_may_be_of_another_kind_if_it_does_no_harm() -> None:
    values, norms = falling(200), in_blocks()[GRADIENT_NORM].values.copy()
    for at in BEGIN:
        values[at : at + len(BLOCK)] *= BLOCK
    harmless, harmful = values.copy(), values.copy()
    harmless[190] *= 4
    harmful[190] *= 60
    quiet = changed(with_loss(RUN, harmless), GRADIENT_NORM, norms)
    assert the_finding(RULE, quiet).severity is Severity.INFO
    loud = changed(with_loss(RUN, harmful), GRADIENT_NORM, norms)
    assert the_finding(RULE, loud).severity is Severity.WARNING
