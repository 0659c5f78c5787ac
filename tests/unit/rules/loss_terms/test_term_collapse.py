from __future__ import annotations

import numpy as np
import pytest

from claims.check import Told
from helpers.rule_asserts import findings, first_evidence, the_finding
from made.changes import changed, head, with_terms, without
from made.healthy import healthy_run
from made.loss_calls import with_call
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import LOSS_TERM, LOSS_WEIGHT
from tb_lossdiag.rules.loss_terms.term_collapse import TermCollapse
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = TermCollapse()


def sick(name: str = "kl", rest: float = 1e-4, others: float = 0.5) -> Run:
    terms = np.stack([np.geomspace(10, 10 * others, 200), np.ones(200)], axis=1)
    terms[50:, 1] = rest
    run = with_terms(healthy_run(0), terms, (1.0, 1.0))
    for quantity in (LOSS_TERM, LOSS_WEIGHT):
        run = changed(run, quantity, run[quantity].values, ("main", name))
    return run


SICK = sick()


@pytest.mark.parametrize("name", ["kl", "KL", "kl_loss", "loss_kl", "kld", "kl divergence"])
def test_a_kl_term_that_collapses_warns(name: str) -> None:
    finding = the_finding(RULE, sick(name))
    assert finding.severity is Severity.WARNING
    assert "posterior collapse" in finding.advice.en


@pytest.mark.parametrize("name", ["aux", "kling", "margin"])
def test_any_other_term_is_worth_knowing(name: str) -> None:
    assert the_finding(RULE, sick(name)).severity is Severity.INFO


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (0.5, "the other terms keep 50% of their size"),
        (1.0, "the other terms keep 100% of their size"),
        (11.3, "the other terms have grown to 11 times what they were"),
    ],
)
def test_what_the_others_keep_is_no_more_than_all(others: float, said: str) -> None:
    run = sick(others=others)
    assert said in the_finding(RULE, run).message.en
    assert not [
        each for finding in findings(RULE, run) for each in Told(run, RULE, finding).untrue()
    ]


@pytest.mark.parametrize("seed", range(10))
def test_clear_on_healthy_runs(seed: int) -> None:
    assert not findings(RULE, healthy_run(seed))


def test_clear_just_above_the_rest() -> None:
    assert not findings(RULE, sick(rest=1.1e-3))
    assert findings(RULE, sick(rest=0.9e-3))


def test_clear_when_everything_converges() -> None:
    assert not findings(RULE, sick(others=0.05))


def test_clear_while_the_weight_is_annealed() -> None:
    run = sick()
    weights = np.ones((200, 2))
    weights[:60, 1] = 0
    assert not findings(RULE, changed(run, LOSS_WEIGHT, weights))


def test_it_began_when_the_term_began_to_fall_away() -> None:
    terms = np.ones((200, 2))
    terms[40:140, 1] = np.geomspace(1, 1e-4, 100)
    terms[140:, 1] = 1e-4
    run = with_terms(healthy_run(0), terms, (1.0, 1.0))
    finding, steps = the_finding(RULE, run), run[LOSS_TERM].steps
    assert steps[64] <= finding.first_step <= steps[68]  # a tenth of what it was
    assert f"by step {steps[117]}" in finding.message.en  # a thousandth


def unused(nats: float = 0.05, recon: float = 18.0, name: str = "recon") -> Run:
    """A divergence that was small from the start, beside a reconstruction."""
    terms = np.stack([np.full(200, recon), np.full(200, nats)], axis=1)
    terms[:5] *= 1.3
    run = with_terms(healthy_run(0), terms, (1.0, 1.0))
    for quantity in (LOSS_TERM, LOSS_WEIGHT):
        run = changed(run, quantity, run[quantity].values, (name, "kl"))
    return run


def test_a_code_that_was_never_used_warns() -> None:
    finding = the_finding(RULE, unused())
    assert finding.severity is Severity.WARNING
    assert "0.05 nats" in finding.message.en
    assert "posterior collapse" in finding.advice.en
    evidence = finding.evidence[0]
    assert (evidence.column, evidence.threshold) == ("kl", 0.1)
    assert evidence.observed == pytest.approx(0.05)


def test_a_code_that_is_used_a_little_is_left_alone() -> None:
    assert findings(RULE, unused(0.09))
    assert not findings(RULE, unused(0.11))
    assert findings(RULE, unused(0.05, 5.1))
    assert not findings(RULE, unused(0.05, 4.9))


def test_a_divergence_beside_other_losses_may_be_small() -> None:
    assert not findings(RULE, unused(name="value"))
    assert not findings(RULE, unused(name="policy"))


def test_evidence_is_the_term_and_its_stretch() -> None:
    run = sick()
    evidence, steps = first_evidence(RULE, run), run[LOSS_TERM].steps
    assert (evidence.quantity, evidence.column) == (LOSS_TERM.name, "kl")
    assert steps[50] <= evidence.first_step <= steps[54]
    assert evidence.last_step == steps[-1]


def test_not_evaluated_on_few_or_no_terms() -> None:
    assert outcome(RULE, head(sick(), 20)).verdict is Verdict.NOT_EVALUATED
    assert outcome(RULE, without(sick(), LOSS_WEIGHT)).missing == (LOSS_WEIGHT.name,)


def decoding(run: Run, function: str = "mse_loss", outputs: float = 64) -> Run:
    return with_call(run, function, outputs=outputs)


def test_the_other_term_may_have_any_name_where_a_loss_call_decodes() -> None:
    assert the_finding(RULE, decoding(unused(name="mse"))).severity is Severity.WARNING
    assert findings(RULE, decoding(unused(name="x"), "binary_cross_entropy_with_logits"))
    assert not findings(RULE, decoding(unused(name="mse"), outputs=1))
    assert not findings(RULE, decoding(unused(name="task"), "cross_entropy"))
    assert not findings(RULE, decoding(unused(name="mse"), "kl_div"))
    assert not findings(RULE, decoding(unused(name="policy")))


def renamed(run: Run, name: str) -> Run:
    for quantity in (LOSS_TERM, LOSS_WEIGHT):
        run = changed(run, quantity, run[quantity].values, ("main", name))
    return run


@pytest.mark.parametrize(("ratio", "severity"), [(1.02, Severity.WARNING), (0.98, Severity.INFO)])
def test_a_collapse_does_harm_where_the_answer_is_a_constant(
    ratio: float, severity: Severity
) -> None:
    run = with_call(sick("latent"), "mse_loss", value=ratio, baseline=1.0, outputs=64)
    assert the_finding(RULE, run).severity is severity


def test_a_term_of_any_name_that_is_nothing_beside_a_constant_answer() -> None:
    run = with_call(renamed(unused(), "latent"), "mse_loss", value=1.02, baseline=1.0, outputs=64)
    noisy = run[LOSS_TERM].values * np.random.default_rng(0).lognormal(0, 0.1, (200, 2))
    run = changed(run, LOSS_TERM, noisy)
    assert "`latent` is" in the_finding(RULE, run).message.en
    good = with_call(run, "mse_loss", value=0.98, baseline=1.0, outputs=64)
    assert not findings(RULE, good)
    assert not findings(RULE, renamed(run, "l2 penalty"))


def test_where_no_loss_call_was_seen_the_name_decides() -> None:
    def blind(name: str) -> Run:
        run = unused(name=name)
        return without(
            run, *(t.quantity for t in run.tables.values() if t.quantity.frame == "call")
        )

    assert findings(RULE, blind("recon"))
    assert not findings(RULE, blind("task"))


def test_a_divergence_averaged_otherwise_beside_a_constant_answer() -> None:
    run = unused(0.05, 0.5)
    for ratio, fires in ((1.02, True), (0.98, False)):
        told = with_call(run, "mse_loss", value=ratio, baseline=1.0, outputs=64)
        assert bool(findings(RULE, told)) is fires
    large = with_call(unused(0.11, 0.5), "mse_loss", value=1.02, baseline=1.0, outputs=64)
    assert not findings(RULE, large)
