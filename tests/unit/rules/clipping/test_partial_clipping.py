from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    CLIP_MAX_NORM,
    GRADIENT_NORM,
    PARAMETER_CLIPPED,
    PARAMETER_HELD,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.clipping.partial_clipping import PartialClipping
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = PartialClipping()
COLUMNS = healthy_run(1, layers=3)[GRADIENT_NORM].columns
HEAD = ("body.2.weight", "body.2.bias")
OUT = np.isin(COLUMNS, HEAD)


def partial(inside: float = 1.0, outside: float = 2.0, bound: float = 1.0) -> Run:
    """The last layer is not clipped; norms of its parameters are `outside`, those of the others `inside`."""
    run = changed(healthy_run(1, layers=3), GRADIENT_NORM, np.where(OUT, outside, inside)[None])
    run = changed(run, PARAMETER_CLIPPED, (~OUT)[None])
    return changed(run, CLIP_MAX_NORM, bound)


SICK = partial()


def test_fires_when_what_is_left_out_exceeds_the_bound() -> None:
    finding = the_finding(RULE, partial())
    assert finding.severity is Severity.WARNING
    assert finding.subject == "body.2.*"
    assert "2 of 6" in finding.message.en


def test_only_an_information_within_the_bound_and_clear_when_small() -> None:
    assert the_finding(RULE, partial(bound=10.0)).severity is Severity.INFO
    assert not findings(RULE, partial(outside=0.1, bound=10.0))
    assert findings(RULE, partial(outside=0.16, bound=10.0))


def test_clear_when_included_later_or_not_held() -> None:
    flags = np.stack([~OUT, np.ones(6, bool)])
    later = table(PARAMETER_CLIPPED, [0, 10], flags, COLUMNS)
    run = partial()
    assert not findings(RULE, replace(run, tables={**run.tables, PARAMETER_CLIPPED.name: later}))
    assert not findings(RULE, changed(run, PARAMETER_HELD, (~OUT)[None]))


def test_a_model_that_is_not_clipped_at_all_is_another_matter() -> None:
    """Of two players one may be clipped alone."""
    names = tuple(
        f"critic/{n}" if out else f"actor/{n}" for n, out in zip(COLUMNS, OUT, strict=True)
    )
    run = partial()
    renamed = {
        n: replace(t, columns=names) if t.columns == COLUMNS else t for n, t in run.tables.items()
    }
    assert not findings(RULE, replace(run, tables=renamed))


@pytest.mark.parametrize("seed", range(5))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_evidence_is_the_loudest_parameter_left_out() -> None:
    run = partial()
    norms = run[GRADIENT_NORM].values.copy()
    norms[50, COLUMNS.index("body.2.bias")] = 9
    evidence = first_evidence(RULE, changed(run, GRADIENT_NORM, norms))
    assert (evidence.quantity, evidence.column) == (GRADIENT_NORM.name, "body.2.bias")
    assert (evidence.first_step, evidence.last_step) == (0, run[GRADIENT_NORM].steps[-1])


def test_not_evaluated_with_several_clips_or_too_little() -> None:
    both = changed(partial(), CLIP_MAX_NORM, np.ones((200, 2)), ("clip", "clip 2"))
    assert outcome(RULE, both).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, head(partial(), 9)).verdict is Verdict.NOT_EVALUATED
    missing = outcome(RULE, without(partial(), PARAMETER_CLIPPED)).missing
    assert missing == (PARAMETER_CLIPPED.name,)
