from __future__ import annotations

import pytest

from helpers.rule_asserts import findings
from made.changes import changed, falling, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.analysis.blocks import in_blocks
from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS
from tb_lossdiag.rules.loop.update_too_large import UpdateTooLarge
from tb_lossdiag.rules.loss_curve.loss_divergence import LossDivergence
from tb_lossdiag.rules.loss_curve.not_learning import NotLearning
from tb_lossdiag.rules.loss_curve.settled_above_start import SettledAboveStart
from tb_lossdiag.run import Run

RUN = healthy_run(0)


def blocks(
    begin: tuple[int, ...], length: int = 14, factor: float = 12.0, noise: float = 0.03
) -> Run:
    """A run whose loss and gradients are as many times as high in each block; the last one is open."""
    values, norms = falling(200, noise), RUN[GRADIENT_NORM].values.copy()
    for at in begin:
        end = 200 if at == begin[-1] else at + length
        values[at:end] *= factor
        norms[at:end] *= factor
    return changed(with_loss(RUN, values), GRADIENT_NORM, norms)


def test_three_that_come_back_make_a_run_of_blocks() -> None:
    assert in_blocks(blocks((60, 93, 130, 180)))
    assert not in_blocks(blocks((93, 130, 180)))
    assert not in_blocks(RUN)


@pytest.mark.parametrize("factor", [1.8, 2.5])
def test_what_doubles_at_least_is_a_leap(factor: float) -> None:
    assert in_blocks(blocks((60, 93, 130, 180), factor=factor)) is (factor > 2)


def test_leaps_within_the_noise_are_none() -> None:
    assert not in_blocks(blocks((60, 93, 130, 180), factor=4, noise=0.5))


def test_without_losses_or_gradients_nothing_is_known() -> None:
    run = blocks((60, 93, 130, 180))
    assert not in_blocks(without(run, GRADIENT_NORM))
    assert not in_blocks(without(run, LOSS))


@pytest.mark.parametrize(
    "rule", [LossDivergence(), SettledAboveStart(), UpdateTooLarge(), NotLearning()]
)
def test_a_last_hard_block_is_no_end(rule: Rule) -> None:
    assert not findings(rule, blocks((60, 93, 130, 150)))


def test_one_rise_that_stays_is() -> None:
    assert findings(LossDivergence(), blocks((150,)))
