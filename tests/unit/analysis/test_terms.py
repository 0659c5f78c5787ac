from __future__ import annotations

import numpy as np
import pytest

from made.changes import with_terms, without
from made.healthy import healthy_run
from tb_lossdiag.analysis.terms import is_penalty, penalties, term_fall, typical_weight, values_of
from tb_lossdiag.quantities import LOSS_TERM, LOSS_WEIGHT

NOISE = np.random.default_rng(0).lognormal(0, 0.05, 100)


@pytest.mark.parametrize(
    "name", ["l2", "L1_reg", "kl", "kl_loss", "weight_decay", "entropy", "regulariser", "tv"]
)
def test_penalties_by_name(name: str) -> None:
    assert is_penalty(name, NOISE)


@pytest.mark.parametrize(
    "name",
    [
        *("recon", "ce", "regression", "loss", "l2r", "television"),
        *("cross_entropy", "binary_cross_entropy", "sparse_categorical_crossentropy"),
        *("box_reg", "loss_box_reg", "rpn_box_reg", "rpn/reg"),
    ],
)
def test_data_terms(name: str) -> None:
    assert not is_penalty(name, NOISE)
    assert not is_penalty(name, np.ones(100))


def test_a_penalty_by_behaviour_moves_smoothly() -> None:
    assert is_penalty("second", np.geomspace(3, 0.1, 100))
    assert not is_penalty("second", np.geomspace(3, 0.1, 100) * NOISE)
    assert not is_penalty("second", np.geomspace(3, 0.1, 19))


def test_beside_a_term_of_classes_reg_is_what_is_regressed() -> None:
    run = healthy_run(1)
    assert penalties(run, ["cls", "reg"]) == []
    assert penalties(run, ["fit", "reg"]) == ["reg"]


def test_how_far_a_term_has_fallen() -> None:
    run = with_terms(healthy_run(1), np.stack([np.linspace(4, 1, 200), np.ones(200)], axis=1))
    steps = run[LOSS_TERM].steps[[0, -1]]
    assert term_fall(run, "main", steps).tolist() == pytest.approx([0.0, 0.75], abs=0.05)
    assert np.isnan(term_fall(run, "other", steps)).all()
    assert values_of(run, "main")[0] == 4
    assert not len(values_of(without(run, LOSS_TERM), "main"))


def test_the_typical_weight_is_1_if_unknown() -> None:
    run = healthy_run(1)
    assert typical_weight(run, "aux") == 0.5
    assert typical_weight(run, "other") == 1
    assert typical_weight(without(run, LOSS_WEIGHT), "aux") == 1
