from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.rule_asserts import findings, the_finding
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import NOTHING_LOADED
from tb_lossdiag.rules.loop.nothing_loaded import NothingLoaded
from tb_lossdiag.run import Run

RULE = NothingLoaded()


def loaded(words: str) -> Run:
    """A healthy run of which this was said."""
    run = healthy_run(1)
    return replace(run, facts={**run.facts, NOTHING_LOADED: words})


SICK = loaded("4 encoder.0.weight model.encoder.0.weight")


def test_names_that_do_not_fit_are_shown() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.ERROR
    assert "checkpoint of 4 tensors" in finding.message.en
    assert "`encoder.0.weight`, the model's first is `model.encoder.0.weight`" in finding.message.en


@pytest.mark.parametrize("words", ["", "damaged", "4 of", "four a b"])
def test_without_such_a_load_nothing_is_said(words: str) -> None:
    assert not findings(RULE, loaded(words))
