from __future__ import annotations

import pytest

from helpers.rule_asserts import findings, the_finding
from made.probes import probed
from tb_lossdiag.diagnosis.engine import Verdict, judge
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    PROBE_MIXING,
    PROBE_NOISE,
    PROBE_PLACE_CHANGE,
    PROBE_SAMPLE_CHANGE,
    PROBE_SAMPLE_MOVED,
    PROBE_SKIPPED,
    Mixing,
    Unprobed,
)
from tb_lossdiag.rules.model.sample_leak import SampleLeak
from tb_lossdiag.run import Run

RULE = SampleLeak()


def leaking(how: Mixing, change: float = 0.8, moved: float = 1.5, name: str = "") -> Run:
    facts = {PROBE_SAMPLE_CHANGE: change, PROBE_SAMPLE_MOVED: moved, PROBE_MIXING: float(how)}
    return probed(facts, name, {f"samples meet in {name}".rstrip(): "body.rnn"})


SICK = leaking(Mixing.SOFTMAX)


@pytest.mark.parametrize(
    ("place", "noise", "fires"),
    [
        (0.5, 0.0, True),
        (0.0101, 0.0, True),
        (0.0099, 0.0, False),
        (0.5, 0.1, False),
        (0.5, None, False),
    ],
)
def test_what_is_counted_along_the_batch(place: float, noise: float | None, fires: bool) -> None:
    facts = {PROBE_SAMPLE_CHANGE: 0.0, PROBE_SAMPLE_MOVED: 1.0, PROBE_PLACE_CHANGE: place}
    run = probed(facts if noise is None else {**facts, PROBE_NOISE: noise})
    found = findings(RULE, run)
    assert bool(found) is fires
    assert all("its place in the batch" in finding.message.en for finding in found)


def test_says_where_and_how() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "by 0.8 of their spread" in finding.message.en
    assert "A softmax runs over the samples in `body.rnn`." in finding.message.en


@pytest.mark.parametrize("how", [how for how in Mixing if how is not Mixing.MEANT])
def test_each_way_has_its_advice(how: Mixing) -> None:
    assert the_finding(RULE, leaking(how, name="policy")).subject == "policy"


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (leaking(Mixing.MEANT), False),
        (leaking(Mixing.SOFTMAX, change=0.0021), True),
        (leaking(Mixing.SOFTMAX, change=0.0019), False),
        (leaking(Mixing.UNKNOWN, change=0.0101), True),
        (leaking(Mixing.UNKNOWN, change=0.0099), False),
        (leaking(Mixing.UNKNOWN, moved=0.021), True),
        (leaking(Mixing.UNKNOWN, moved=0.0199), False),
        (probed({PROBE_SAMPLE_CHANGE: 0.0, PROBE_SAMPLE_MOVED: 1.0}), False),
        (
            probed({PROBE_SAMPLE_CHANGE: float("nan"), PROBE_SAMPLE_MOVED: 1.0, PROBE_SKIPPED: 4}),
            None,
        ),
    ],
)
def test_the_bounds(run: Run, fires: bool | None) -> None:
    if fires is None:
        assert judge(run, RULE)[0].verdict is Verdict.NOT_EVALUATED
    else:
        assert bool(findings(RULE, run)) is fires


@pytest.mark.parametrize("recorded", [float("inf"), -1.0, 0.5, 99.0])
def test_a_number_that_no_version_writes_says_nothing_of_how_samples_meet(recorded: float) -> None:
    values = {PROBE_MIXING: recorded, PROBE_SAMPLE_CHANGE: 0.02, PROBE_SAMPLE_MOVED: 0.5}
    assert findings(RULE, probed(values))


@pytest.mark.parametrize("why", Unprobed)
def test_says_why_it_could_not_look(why: Unprobed) -> None:
    run = probed(
        {PROBE_SKIPPED: float(why)}, words={"not probed": "`model.log` is a TextIOWrapper"}
    )
    outcome, _ = judge(run, RULE)
    assert outcome.reason is not None
    assert "left out: " in outcome.reason.en
    assert "(`model.log` is a TextIOWrapper)" in outcome.reason.en


def test_a_short_run_is_told_what_it_takes() -> None:
    outcome, _ = judge(probed({}), RULE)
    assert outcome.reason is not None
    assert "probes=True" in outcome.reason.en
