from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, stuck, with_loss, without
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CALL_VALUE, EXCESS_OF_BOUND, GRADIENT_NORM, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.rules.gradients.zero_gradient import ZeroGradient
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ZeroGradient()
RUN = healthy_run(1, layers=4)


def with_zero_gradients(run: Run, columns: slice, records: slice = slice(None)) -> Run:
    """The gradient of these columns is exactly 0 in these records."""
    values = run[GRADIENT_NORM].values.copy()
    values[records, columns] = 0.0
    return changed(run, GRADIENT_NORM, values)


SICK = with_zero_gradients(RUN, slice(2, 6))


def test_fires_once_for_whole_modules() -> None:
    finding = the_finding(RULE, with_zero_gradients(RUN, slice(2, 4)))
    assert finding.severity is Severity.WARNING
    assert finding.subject == "body.1.*"
    assert 'model.get_submodule("body.1")' in finding.advice.en


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["lstm.weight_hh_l0_reverse"], True),
        (["encoder.rnn.weight_hh_l1", "encoder.rnn.weight_hh_l1_reverse"], True),
        (["lstm.weight_hh_l0_reverse", "head.weight"], False),
        (["lstm.weight_ih_l0_reverse"], False),
    ],
)
def test_a_recurrent_layer_that_is_read_after_one_step(names: list[str], expected: bool) -> None:
    """`output[:, -1]` of a bidirectional layer: the backward direction has seen the last token alone."""
    known = RUN[GRADIENT_NORM]
    named = replace(known, columns=(*names, *known.columns[len(names) :]))
    run = replace(RUN, tables={**RUN.tables, GRADIENT_NORM.name: named})
    finding = the_finding(RULE, with_zero_gradients(run, slice(0, len(names))))
    assert ("output[:, -1]" in finding.advice.en) is expected
    assert ("dead" in finding.advice.en) is not expected


def test_all_of_them_are_an_error_while_not_learned() -> None:
    dark = with_zero_gradients(stuck(RUN), slice(None))
    assert the_finding(RULE, dark).severity is Severity.ERROR
    assert not findings(RULE, with_zero_gradients(without(RUN, LOSS), slice(None)))


def test_a_loss_that_is_done_has_no_gradient() -> None:
    done = with_loss(RUN, np.concatenate((np.linspace(2, 0, 100), np.zeros(100))))
    assert not findings(RULE, with_zero_gradients(done, slice(None), slice(100, None)))


def test_a_run_that_is_idle_from_its_beginning_on() -> None:
    def idle(first: int) -> Run:
        run = with_loss(without(RUN, CALL_VALUE), np.r_[np.ones(first), np.zeros(200 - first)])
        return with_zero_gradients(run, slice(None), slice(first, None))

    finding = the_finding(RULE, idle(19))
    assert finding.severity is Severity.WARNING
    assert "run 90% of the steps changed nothing" in finding.message.en
    assert not findings(RULE, idle(22))
    blip = with_zero_gradients(
        with_zero_gradients(idle(8), slice(None), slice(8, 150)), slice(None), slice(151, None)
    )
    values = blip[GRADIENT_NORM].values.copy()
    values[150] = 1.0
    seen = the_finding(RULE, changed(blip, GRADIENT_NORM, values))
    assert "run 96% of the steps changed nothing" in seen.message.en, (
        "not only since the last record with a gradient"
    )
    margin = Run("margin", {**idle(19).tables, CALL_VALUE.name: RUN[CALL_VALUE]}, RUN.facts)
    assert not findings(RULE, margin)
    calls = RUN[CALL_VALUE]
    before = table(CALL_VALUE, calls.steps[:4], calls.values[:4], calls.columns)
    once = Run("once", {**idle(19).tables, CALL_VALUE.name: before}, RUN.facts)
    assert findings(RULE, once), "the call was seen before the loss came to nothing alone"


def _hinged(last: int, sign: float = 1.0) -> Run:
    """Idle from its tenth record on; check-ups up to this record saw a loss of what exceeds a bound."""
    run = with_loss(without(RUN, CALL_VALUE), sign * np.r_[np.ones(10), np.zeros(190)])
    run = with_zero_gradients(run, slice(None), slice(10, None))
    return with_tables(run, [table(EXCESS_OF_BOUND, run[LOSS].steps[[0, last]], np.ones(2))])


def test_a_bound_that_every_sample_meets() -> None:
    assert not findings(RULE, _hinged(100))
    assert findings(RULE, _hinged(5)), "it was seen before the loss came to nothing alone"
    assert findings(RULE, _hinged(100, -1.0)), "what stays under a ceiling was never below 0"


def test_a_bound_that_is_met_below_a_constant() -> None:
    def less(seen: int, value: float) -> Run:
        run = with_loss(without(RUN, CALL_VALUE), np.r_[np.ones(10), np.full(190, 0.8)])
        run = with_zero_gradients(run, slice(None), slice(10, None))
        step = run[LOSS].steps[seen]
        return with_tables(run, [table(EXCESS_OF_BOUND, [step], [value])])

    assert not findings(RULE, less(100, 2.0))
    assert findings(RULE, less(5, 2.0)), "before the gradient came to nothing"
    assert findings(RULE, less(100, 1.0)), "of triplets that are one point the margin is left"


@pytest.mark.parametrize("seed", range(20))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_least_stretch() -> None:
    for least, expected in ((181, 0), (180, 1)):
        late = with_zero_gradients(RUN, slice(2, 4), slice(least, None))
        assert len(findings(RULE, late)) == expected
    for end, expected in ((99, 0), (100, 1)):
        early = with_zero_gradients(RUN, slice(2, 4), slice(0, end))
        assert len(findings(RULE, early)) == expected


def test_clear_on_a_bias_alone_or_a_wake_up() -> None:
    assert not findings(RULE, with_zero_gradients(RUN, slice(3, 4)))
    assert not findings(RULE, with_zero_gradients(RUN, slice(2, 4), slice(0, 3)))


def test_clear_when_one_step_of_a_window_had_a_gradient() -> None:
    run = with_zero_gradients(RUN, slice(2, 4))
    highest = np.full(run[GRADIENT_NORM].values.shape, 0.1)
    most = table(
        GRADIENT_NORM.highest(), run[GRADIENT_NORM].steps, highest, run[GRADIENT_NORM].columns
    )
    windowed = Run("w", {**run.tables, most.quantity.name: most}, run.facts)
    assert not findings(RULE, windowed)


def test_a_parameter_without_gradient_is_not_this() -> None:
    values = RUN[GRADIENT_NORM].values.copy()
    values[:, 2:4] = np.nan
    assert not findings(RULE, changed(RUN, GRADIENT_NORM, values))


def test_evidence_is_the_stretch() -> None:
    evidence = first_evidence(RULE, with_zero_gradients(RUN, slice(2, 4), slice(50, None)))
    steps = RUN[GRADIENT_NORM].steps
    assert evidence.column == "body.1.weight"
    assert (evidence.first_step, evidence.last_step) == (steps[50], steps[-1])


def test_not_evaluated_on_few_or_no_gradients() -> None:
    sick = with_zero_gradients(RUN, slice(2, 4))
    assert outcome(RULE, head(sick, 19)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(sick, GRADIENT_NORM)).missing == (GRADIENT_NORM.name,)


def test_a_loss_without_a_single_value_is_not_known_to_be_unlearned() -> None:
    assert not findings(
        RULE, with_zero_gradients(with_loss(RUN, np.full(200, np.nan)), slice(None))
    )
