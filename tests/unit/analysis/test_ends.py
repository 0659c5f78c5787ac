"""More ends of derivations: nothing there, nothing risen, nothing that lasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made.changes import changed, optimized_by, with_terms, without
from made.healthy import healthy_run
from made.probes import probed
from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.clips import ledger
from tb_lossdiag.analysis.curve import Curve, divergence
from tb_lossdiag.analysis.derived import progress
from tb_lossdiag.analysis.probes import why_not
from tb_lossdiag.analysis.terms import term_fall
from tb_lossdiag.analysis.updates import usual_norms
from tb_lossdiag.analysis.weight_decay import decay

RUN = healthy_run(1, optimizer="SGD")


def test_of_no_clips_the_settled_ones_are_none() -> None:
    (clips, *_) = ledger(RUN)
    none = clips.where(clips.steps < 0)
    assert len(none.settled(0.5)) == 0
    assert 0 < len(clips.settled(0.5)) < len(clips)


def test_a_rise_of_too_few_records_is_no_divergence() -> None:
    loss = Curve(np.arange(200), np.r_[np.linspace(4, 1, 100), np.linspace(1, 9, 100)])
    found = divergence(loss, 2.0, 50, 0.1)
    assert found is not None
    assert divergence(loss, 2.0, found.span.size, 0.1) is not None
    assert divergence(loss, 2.0, found.span.size + 1, 0.1) is None


def test_a_place_that_is_said_once_is_where_all_records_are() -> None:
    run = changed(RUN, q.EXTRA, np.full((len(RUN[q.LOSS]), 1), 3.0), ("epoch",))
    assert set(progress(run, "epoch").values[:, 0].tolist()) == {3.0}


def test_a_reason_without_a_value_is_none() -> None:
    unknown = why_not(probed({q.PROBE_SKIPPED: np.nan})).en
    assert unknown == why_not(probed({})).en
    assert unknown != why_not(probed({q.PROBE_SKIPPED: 1.0})).en


def test_a_term_without_a_value_has_no_known_fall() -> None:
    terms = np.stack([np.geomspace(3, 1, 200), np.full(200, np.nan)], axis=1)
    run = with_terms(RUN, terms)
    steps = run[q.LOSS_TERM].steps[-2:]
    assert np.isnan(term_fall(run, "aux", steps)).tolist() == [True, True]
    assert np.isfinite(term_fall(run, "main", steps)).all()


def test_what_was_never_recorded_did_not_begin_at_nothing() -> None:
    elements = np.array([100.0, 100.0])
    assert usual_norms(np.zeros((0, 2)), elements).tolist() == [0.0, 0.0]
    assert usual_norms(np.array([[0.0, 5.0]]), elements) == pytest.approx([100**0.25, 0.0])


def test_a_decay_needs_its_quantities_its_optimizer_enough_records_and_a_rate() -> None:
    run = changed(RUN, q.WEIGHT_DECAY, np.full(len(RUN[q.WEIGHT_DECAY]), 0.1))
    records = len(run[q.GRADIENT_NORM])
    found = decay(run, records)
    assert found is not None
    assert found.rate == pytest.approx(0.1)
    assert decay(run, records + 1) is None
    assert decay(optimized_by(run, "AdamW"), 5) is None, "it decays apart from the gradient"
    assert decay(replace(run, facts={}), 5) is None
    assert decay(without(run, q.PARAMETER_NORM), 5) is None
    assert decay(changed(run, q.WEIGHT_DECAY, 0.0), 5) is None
    assert decay(changed(run, q.WEIGHT_DECAY, np.nan), 5) is None
