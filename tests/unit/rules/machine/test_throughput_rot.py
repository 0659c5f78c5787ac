from __future__ import annotations

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.check_ups import with_tables
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import (
    ANSWER_LENGTH,
    EXTRA,
    LOSS,
    OWN_SECONDS,
    STEP_SAMPLES,
    STEP_SECONDS,
    STEP_TOKENS,
    THROUGHPUT,
    Quantity,
)
from tb_lossdiag.records import Doubles, Table, table
from tb_lossdiag.rules.machine.throughput_rot import ThroughputRot
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = ThroughputRot()
BASE = healthy_run(1)
STEPS = BASE[LOSS].steps
COUNT = len(STEPS)


def growing(times: float) -> Doubles:
    return np.linspace(1.0, times, COUNT)


def seconds(values: Doubles, *others: Table, lasting: float = 3600.0) -> Run:
    """A run whose steps take so long, over so many seconds."""
    walls = 1e9 + np.linspace(0, lasting, COUNT)
    own = table(OWN_SECONDS, STEPS, np.zeros(COUNT), walltimes=walls)
    made = table(STEP_SECONDS, STEPS, values, walltimes=walls)
    return with_tables(BASE, [made, own, *others])


def lengths(name: str, times: float) -> Table:
    return table(EXTRA, STEPS, 100 * growing(times), (name,))


SICK = seconds(growing(2.5))
BUSY = np.where(np.arange(COUNT) > 0.85 * COUNT, 2.0, 1.0) + 0.01 * np.sin(np.arange(COUNT))
EVALUATED = 1.0 + 9.0 * (np.arange(COUNT) % 10 == 9)


def test_says_by_how_much() -> None:
    finding = the_finding(RULE, SICK)
    assert "from 1.49 s in the first half to 2.44 s" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (seconds(growing(1.5)), False),
        (seconds(growing(1.8)), True),
        (seconds(BUSY), False),  # something else ran on the machine in the end
        (seconds(EVALUATED), False),
        (seconds(growing(2.5), lengths("tokens", 2.5)), False),
        (seconds(growing(2.5), lengths("tokens", 1.1)), True),
        (seconds(growing(2.5), lengths("temperature", 2.5)), True),
        (seconds(growing(2.5), table(OWN_SECONDS, STEPS, growing(2.5) - 1)), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_without_the_time_of_recording_all_of_it_counts() -> None:
    run = seconds(growing(2.5))
    left_out = {OWN_SECONDS.name, EXTRA.name}
    tables = {name: t for name, t in run.tables.items() if name not in left_out}
    assert findings(RULE, Run("run", tables))


def test_few_own_values_say_nothing_of_lengths() -> None:
    some = table(EXTRA, STEPS[:20], 100 * growing(2.5)[:20], ("tokens",))
    assert findings(RULE, seconds(growing(2.5), some))


def test_short_runs_are_not_judged() -> None:
    assert outcome(RULE, seconds(growing(2.5), lasting=500)).verdict is Verdict.NOT_EVALUATED
    few = table(STEP_SECONDS, STEPS[:40], growing(2.5)[:40])
    assert outcome(RULE, with_tables(BASE, [few])).verdict is Verdict.NOT_EVALUATED


def logged(of: Quantity, values: Doubles, *others: Table, lasting: float = 3600.0) -> Run:
    """A run of which there is a log and nothing else."""
    walls = 1e9 + np.linspace(0, lasting, COUNT)
    return Run(
        "run", {t.quantity.name: t for t in (table(of, STEPS, values, walltimes=walls), *others)}
    )


def held(of: Quantity, times: float) -> Table:
    return table(of, STEPS, 100 * growing(times))


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (logged(STEP_SECONDS, growing(2.5)), True),
        (logged(STEP_SECONDS, growing(2.5), held(ANSWER_LENGTH, 1.1)), True),
        # Longer answers, sequences and larger batches take longer, in proportion.
        (logged(STEP_SECONDS, growing(2.5), held(ANSWER_LENGTH, 2.0)), False),
        (logged(STEP_SECONDS, growing(2.5), held(STEP_TOKENS, 2.5)), False),
        (logged(STEP_SECONDS, growing(2.5), held(STEP_SAMPLES, 2.5)), False),
        (logged(STEP_SECONDS, growing(5.0), held(STEP_TOKENS, 1.5)), True),
        (logged(STEP_SECONDS, growing(2.5), held(STEP_TOKENS, -1.0)), True),  # no number of tokens
        (logged(THROUGHPUT, 1000 / growing(2.5)), True),
        (logged(THROUGHPUT, 1000 / growing(1.3)), False),
        (logged(THROUGHPUT, 1000 * growing(2.5)), False),
        (logged(THROUGHPUT, 1000 / growing(2.5), held(ANSWER_LENGTH, 2.5)), False),
    ],
)
def test_logs_of_others(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_of_a_log_without_a_clock_its_times_are_added_up() -> None:
    assert findings(RULE, logged(STEP_SECONDS, 10 * growing(2.5), lasting=0.0))
    short = logged(STEP_SECONDS, growing(2.5) / 1000, lasting=0.0)
    assert outcome(RULE, short).verdict is Verdict.NOT_EVALUATED
    unknown = logged(THROUGHPUT, 1000 / growing(2.5), lasting=0.0)
    assert outcome(RULE, unknown).verdict is Verdict.NOT_EVALUATED


def test_says_how_far_the_throughput_falls() -> None:
    finding = the_finding(RULE, logged(THROUGHPUT, 1000 / growing(2.5)))
    assert (
        "from 673 a second in the first half to 411 at the end, 1.64 times less"
        in finding.message.en
    )
    assert finding.evidence[0].quantity == THROUGHPUT.name
