from __future__ import annotations

import numpy as np
import pytest

from made.check_ups import check_steps
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.analysis.loss_calls import calls, counts, mostly
from tb_lossdiag.diagnosis.rule import NotEnough
from tb_lossdiag.quantities import CALL_INPUT_MAX, CALL_OUTPUTS, LOSS, Source
from tb_lossdiag.run import Run

RUN = healthy_run(1)
AT = check_steps(RUN[LOSS].steps)


def test_a_call_knows_its_function_and_its_check_ups() -> None:
    (call,) = calls(with_call(RUN, "cross_entropy 2"), ("cross_entropy",))
    assert (call.name, call.function) == ("cross_entropy 2", "cross_entropy")
    assert call.steps.tolist() == AT.tolist()
    assert call.typical(CALL_OUTPUTS) == 10
    assert call.made_by(Source.LINEAR).all()


def test_what_was_not_recorded_is_nan() -> None:
    run = with_call(RUN, "mse_loss")
    less = Run("r", {n: t for n, t in run.tables.items() if n != CALL_INPUT_MAX.name})
    assert np.isnan(calls(less)[0].of(CALL_INPUT_MAX)).all()


def test_other_calls_are_named_in_the_reason() -> None:
    with pytest.raises(NotEnough, match="seen: mse_loss"):
        calls(with_call(RUN, "mse_loss"), ("cross_entropy",))
    with pytest.raises(NotEnough, match="seen: none"):
        calls(Run("r"))


def test_mostly_counts_only_what_is_known() -> None:
    hits, known = np.array([True, True, False, False]), np.array([True, True, True, False])
    assert mostly(hits, known, 2)
    assert not mostly(hits, known, 3)
    assert not mostly(np.array([True, False]), np.array([True, True]), 1)
    assert counts(hits, known) == {"count": "2", "checks": "3"}
