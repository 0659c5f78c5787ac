from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from tb_lossdiag.diagnosis.rule import Finding, Severity, Text
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, LOSS_NONFINITE, VALIDATION_LOSS, Quantity
from tb_lossdiag.rules.loss_curve.overfitting import Overfitting
from tb_lossdiag.run import Run
from tb_lossdiag.testing import assert_contract, findings, run_of


def test_runs_of_numbers() -> None:
    run = run_of(
        {LOSS: [3.0, np.inf], GRADIENT_NORM: np.ones((2, 2)), VALIDATION_LOSS: [1.0]},
        steps=[0, 10],
        columns={GRADIENT_NORM: ("a", "b")},
        facts={"optimizer": "SGD"},
    )
    assert run[LOSS].steps.tolist() == [0, 10]
    assert run[GRADIENT_NORM].columns == ("a", "b")
    assert run[VALIDATION_LOSS].steps.tolist() == [0]
    assert run[LOSS_NONFINITE].values[:, 0].tolist() == [0, 1]
    assert run.facts["optimizer"] == "SGD"


def test_what_was_not_evaluated_is_no_pass() -> None:
    with pytest.raises(AssertionError, match="not evaluated"):
        findings(Overfitting(), run_of({LOSS: [1.0]}))


@dataclass
class Loose:
    """Says little, and names `min_nothing`."""

    code: ClassVar[str] = "loose"
    name: ClassVar[str] = "loose"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    def check(self, run: Run) -> Iterator[Finding]:  # noqa: ARG002
        yield from ()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(AssertionError, match="three digits") as error:
        assert_contract(Loose())
    for part in ("frozen", "min_nothing", "Why it matters:"):
        assert part in str(error.value)
