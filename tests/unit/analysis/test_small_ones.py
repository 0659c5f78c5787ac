"""Ends of small derivations that rules seldom reach: nothing recorded, nothing before, nothing that rose."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.activation_ranges import cross_entropy_floor
from tb_lossdiag.analysis.attribution import risen_layer, risen_term
from tb_lossdiag.analysis.inputs import fact, scaled_within
from tb_lossdiag.analysis.weighted import quantile
from tb_lossdiag.quantities import Kind, Source
from tb_lossdiag.records import Table, table
from tb_lossdiag.run import Run

STEPS = range(10)
CALM = [1.0] * 9


def run_of(*tables: Table) -> Run:
    return Run("run", {t.quantity.name: t for t in tables})


def test_a_quantile_of_nothing_is_not_known() -> None:
    assert math.isnan(quantile(np.zeros(0), np.zeros(0), 0.5))
    assert quantile(np.array([1.0, 9.0]), np.array([1.0, 3.0]), 0.5) == 9


def test_only_bounded_logits_of_several_classes_have_a_floor() -> None:
    assert cross_entropy_floor(Source.TANH, 1) is None
    assert cross_entropy_floor(Source.RELU, 10) is None
    assert cross_entropy_floor(Source.TANH, 2) == pytest.approx(math.log(1 + math.exp(-2)))


def test_the_layer_that_grew_by_the_largest_factor_is_named() -> None:
    values = np.array([[1.0, 100.0]] * 9 + [[50.0, 150.0]])
    run = run_of(table(q.GRADIENT_NORM, STEPS, values, ["small", "large"]))
    assert "small" in risen_layer(run, 9, 9).en
    assert not risen_layer(run, 9, 0).en  # nothing came before
    assert not risen_layer(run, 99, 9).en  # there is no such record
    assert not risen_layer(run_of(), 9, 9).en
    assert not risen_layer(run_of(table(q.GRADIENT_NORM, STEPS, [1.0] * 10)), 9, 9).en


def test_the_term_whose_contribution_grew_most_is_named() -> None:
    values = np.array([[1.0, 100.0]] * 9 + [[50.0, 400.0]])
    terms = table(q.LOSS_TERM, STEPS, values, ["small", "large"])
    run = run_of(terms, table(q.LOSS_WEIGHT, STEPS, np.ones((10, 2)), ["small", "large"]))
    assert "large" in risen_term(run, 9, 9).en
    assert not risen_term(run, 9, 0).en
    assert not risen_term(run, 99, 9).en
    assert not risen_term(run_of(terms), 9, 9).en  # weights unknown


def test_an_embedding_is_given_indices_and_scales_no_numbers() -> None:
    kinds = table(q.MODULE_KIND, [0], [[float(Kind.EMBEDDING), float(Kind.LINEAR)]], ["kinds", "0"])
    given = table(q.INPUT_STD, [0], [2e4]), table(q.INPUT_MEAN, [0], [7e3])
    for std, scaled in ((1e4, False), (0.6, True)):
        out = table(q.ACTIVATION_STD, [0], [[1.0, std]], ["kinds", "0"])
        assert scaled_within(run_of(kinds, *given, out), "", 0.05, 3.0) is scaled
    alone = table(q.MODULE_KIND, [0], [[float(Kind.EMBEDDING)]], ["kinds"])
    assert not scaled_within(run_of(alone, *given), "", 0.05)


def test_an_input_is_scaled_within_by_a_normalisation_or_by_a_small_first_output() -> None:
    def with_first(kind: Kind, std: float | None = None) -> Run:
        kinds = table(q.MODULE_KIND, [0], [[float(kind)]], ["0"])
        given = table(q.INPUT_STD, [0], [100.0]), table(q.INPUT_MEAN, [0], [0.0])
        out = () if std is None else (table(q.ACTIVATION_STD, [0], [[std]], ["0"]),)
        return run_of(kinds, *given, *out)

    assert scaled_within(with_first(Kind.NORMALISATION), "", 0.01)
    assert scaled_within(with_first(Kind.LINEAR, 0.5), "", 0.01)
    assert not scaled_within(with_first(Kind.LINEAR, 50.0), "", 0.01)
    assert not scaled_within(with_first(Kind.LINEAR), "", 0.01)  # its output was not recorded
    assert not scaled_within(with_first(Kind.NORMALISATION), "critic", 0.01)  # another model's
    assert not scaled_within(run_of(), "", 0.01)
    # Small weights make a twentieth of it, which is still far above 1; what is less was scaled, however large.
    assert not scaled_within(with_first(Kind.LINEAR, 4.0), "", 0.05, 3.0)
    assert scaled_within(with_first(Kind.LINEAR, 2.9), "", 0.05, 3.0)
    assert scaled_within(with_first(Kind.LINEAR, 1.9), "", 0.05, 1.0)
    assert np.isnan(fact(run_of(), q.INPUT_STD, np.array([0, 1]), "")).all()
