from __future__ import annotations

import dataclasses

import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    PARAMETER_ROLE,
    PROBE_ORDER_CHANGE,
    PROBE_ORDER_MOVED,
    Kind,
    Role,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.model.no_positions import NoPositions
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = NoPositions()
RUN = healthy_run(1)
KINDS = {
    "tokens": Kind.EMBEDDING,
    "layers.0.attention": Kind.ATTENTION,
    "layers.1.attention": Kind.ATTENTION,
    "head": Kind.LINEAR,
}
ROLES = {"tokens.weight": Role.EMBEDDING, "layers.0.attention.in_proj_weight": Role.WEIGHT}


def attending(
    parameters: dict[str, Role] | None = None, others: dict[str, Kind] | None = None
) -> Run:
    roles = {**ROLES, **(parameters or {})}
    said = table(PARAMETER_ROLE, [0], [list(map(float, roles.values()))], tuple(roles))
    return with_tables(with_modules(RUN, {**KINDS, **(others or {})}), [said])


SICK = attending()


def test_an_information_that_names_the_embedding() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.INFO
    assert "2 attention modules read the tokens of `tokens`" in finding.message.en


@pytest.mark.parametrize(
    "others",
    [
        {"where": Kind.EMBEDDING},
        {"rnn": Kind.RECURRENT},
        {"conv": Kind.CONVOLUTION},
        {"pos_encoder.dropout": Kind.DROPOUT},
        {"tokens": Kind.LINEAR},
    ],
)
def test_what_may_tell_positions(others: dict[str, Kind]) -> None:
    assert not findings(RULE, attending(others=others))


def test_parameters_that_may_be_positions() -> None:
    assert not findings(RULE, attending({"pos": Role.WEIGHT}))
    assert not findings(RULE, attending({"table": Role.OTHER}))
    assert findings(RULE, attending({"layers.0.attention.in_proj_bias": Role.OTHER}))


def test_one_attention_may_pool_a_set() -> None:
    kinds = {name: kind for name, kind in KINDS.items() if name != "layers.1.attention"}
    one = with_tables(with_modules(RUN, kinds), [SICK[PARAMETER_ROLE]])
    assert outcome(RULE, one).verdict is Verdict.NOT_EVALUATED


def answered(change: float, moved: float = 1.0, facts: dict[str, str] | None = None) -> Run:
    """A model without anything for positions that was asked."""
    said = {PROBE_ORDER_CHANGE: change, PROBE_ORDER_MOVED: moved}
    run = with_tables(SICK, [table(each, [128], [[value]], ("",)) for each, value in said.items()])
    return dataclasses.replace(run, facts={**run.facts, **(facts or {})})


def test_an_information_where_a_copy_has_told() -> None:
    finding = the_finding(RULE, answered(3e-7, facts={"order asked of": "layers.0.attention"}))
    assert finding.severity is Severity.INFO
    assert "what `layers.0.attention` says" in finding.message.en
    assert "changed by 3e-7 of its spread; with other tokens there it changed by 1" in (
        finding.message.en
    )


@pytest.mark.parametrize(("change", "blind"), [(0.9e-5, True), (1.1e-5, False), (0.1, False)])
def test_how_little_may_change(change: float, *, blind: bool) -> None:
    """One that knows its places by what nobody sees is not said to be without them."""
    assert bool(findings(RULE, answered(change))) is blind


def test_attention_that_sees_nothing_tells_nothing() -> None:
    assert "nothing that was seen" in the_finding(RULE, answered(1e-9, moved=0.01)).message.en
    assert "was turned" not in the_finding(RULE, answered(1e-9, moved=0.01)).message.en


def test_a_warning_where_something_should_tell_them() -> None:
    assert the_finding(RULE, answered(1e-7)).severity is Severity.INFO
    told = the_finding(RULE, answered(1e-7, facts={"waves": "computed"}))
    assert told.severity is Severity.WARNING
    assert "Sines and cosines are computed" in told.message.en


def test_what_should_tell_positions_is_named() -> None:
    run = answered(1e-7)
    kinds = with_modules(RUN, {**KINDS, "pos_embed": Kind.EMBEDDING})
    held = with_tables(kinds, [t for n, t in run.tables.items() if n.startswith(("probe_order", "parameter_role"))])  # fmt: skip
    finding = the_finding(RULE, held)
    assert finding.severity is Severity.WARNING
    assert "`pos_embed` should tell positions" in finding.message.en


@pytest.mark.parametrize("seed", range(4))
def test_nothing_to_say_of_other_models(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
