from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import PARAMETER_ROLE, Kind, Role
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


@pytest.mark.parametrize("seed", range(4))
def test_nothing_to_say_of_other_models(seed: int) -> None:
    assert not findings_if_any(RULE, healthy_run(seed))
