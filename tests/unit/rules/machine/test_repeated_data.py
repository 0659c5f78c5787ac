from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.rule_asserts import findings, the_finding
from made.changes import falling, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.diagnosis.engine import Verdict, judge
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import (
    BATCH_REPEATED,
    CALL_TARGET_STD,
    EQUAL_SAMPLES,
    LOSS,
    RANK_EQUAL_BATCHES,
    RANK_EQUAL_RANK,
    RANK_FRESH_BATCHES,
    STREAM_WORKERS,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import table
from tb_lossdiag.rules.machine.repeated_data import RepeatedData
from tb_lossdiag.run import Run

RULE = RepeatedData()


def repeating(equal: float, again: float = 0.0, checks: int = 5, spread: float = 1.0) -> Run:
    """So many samples of each batch were copies, and each batch was the one before or not."""
    run, steps = healthy_run(1), 2 ** np.arange(checks)
    ranks = RANK_EQUAL_BATCHES.name
    known = {n: t for n, t in run.tables.items() if t.quantity.frame != "call" and n != ranks}
    repeated = np.full(checks, again)
    repeated[0] = np.nan
    tables = (
        table(EQUAL_SAMPLES, steps, np.full(checks, equal)),
        table(BATCH_REPEATED, steps, repeated),
        table(CALL_TARGET_STD, steps, np.full(checks, spread), ("mse_loss",)),
    )
    return replace(run, tables={**known, **{t.quantity.name: t for t in tables}})


SICK = repeating(1.0)


def test_samples_without_content_are_a_warning() -> None:
    finding = the_finding(RULE, SICK)
    assert finding.severity is Severity.WARNING
    assert "though their targets differ" in finding.message.en


def test_one_batch_again_and_again_is_an_information() -> None:
    finding = the_finding(RULE, repeating(0.0, again=1.0))
    assert finding.severity is Severity.INFO
    assert "the very same batch" in finding.message.en


def validated(run: Run, train: float, late: float, records: int = 12) -> Run:
    """The training loss falls to so much, the validation loss to 1 at half time and to `late` of that at the end."""
    losses = np.geomspace(2.0, train, len(falling(200)))
    run, end = with_loss(run, losses), int(run.tables["loss"].steps[-1])
    half = records // 2
    held = np.concatenate((np.linspace(2.0, 1.0, half), np.linspace(1.0, late, records - half)))
    at = np.linspace(0, end, records).astype(int)
    return replace(
        run, tables={**run.tables, VALIDATION_LOSS.name: table(VALIDATION_LOSS, at, held)}
    )


@pytest.mark.parametrize("run", [repeating(0.0, again=1.0), repeating(0.6)])
def test_what_is_learned_by_heart_is_a_warning(run: Run) -> None:
    finding = the_finding(RULE, validated(run, 0.01, 1.05))
    assert finding.severity is Severity.WARNING
    assert "by heart" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [
        validated(repeating(0.0, again=1.0), 0.01, 0.9),  # still won
        validated(repeating(0.0, again=1.0), 0.2, 1.05),  # not far below
        validated(repeating(0.0, again=1.0), 0.01, 1.05, records=5),
        validated(repeating(0.49), 0.01, 1.05),
        with_loss(validated(repeating(0.0, again=1.0), 0.01, 1.05), -np.ones(200)),
        without(validated(repeating(0.0, again=1.0), 0.01, 1.05), LOSS),
    ],
)
def test_what_may_be_meant_stays_an_information(run: Run) -> None:
    finding = the_finding(RULE, run)
    assert finding.severity is Severity.INFO
    assert "by heart" not in finding.message.en


def test_copies_are_an_information() -> None:
    finding = the_finding(RULE, repeating(0.4))
    assert finding.severity is Severity.INFO
    assert "40% of the samples" in finding.message.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (repeating(0.0), False),
        (repeating(0.249), False),
        (repeating(0.251), True),
        (repeating(0.0, again=0.0), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings(RULE, run)) is fires


def test_targets_that_are_all_the_same_make_it_no_warning() -> None:
    assert the_finding(RULE, repeating(1.0, spread=0.0)).severity is Severity.INFO


def test_four_check_ups_are_too_few() -> None:
    assert judge(repeating(1.0, checks=4), RULE)[0].verdict is Verdict.NOT_EVALUATED


def sharing(share: float, fresh: float = 1.0, checks: int = 5) -> Run:
    """So many of the ranks had a batch of another's, and so many another one than before."""
    run, steps = healthy_run(1), 2 ** np.arange(checks)
    some = np.full(checks, share)
    tables = (
        table(RANK_EQUAL_BATCHES, steps, some),
        table(RANK_EQUAL_RANK, steps, np.where(some > 0, 1.0, np.nan)),
        table(RANK_FRESH_BATCHES, steps, np.full(checks, fresh)),
    )
    return replace(run, tables={**run.tables, **{t.quantity.name: t for t in tables}})


def test_ranks_that_share_their_batches_are_a_warning() -> None:
    finding = the_finding(RULE, sharing(0.25))
    assert finding.severity is Severity.WARNING
    assert "25% of the ranks, rank 1 among them" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [sharing(0.0), sharing(0.25, fresh=0.5), sharing(0.25, fresh=np.nan)],
)
def test_ranks_of_their_own_data_are_not(run: Run) -> None:
    assert not findings(RULE, run)


def test_four_comparisons_are_too_few() -> None:
    assert judge(sharing(1.0, checks=4), RULE)[0].verdict is Verdict.NOT_EVALUATED


def test_neither_samples_nor_ranks() -> None:
    outcome = judge(without(sharing(1.0), RANK_EQUAL_BATCHES), RULE)[0]
    assert outcome.verdict is Verdict.NOT_EVALUATED
    assert outcome.reason is not None
    assert "samples that equal another one" in outcome.reason.en


def test_one_round_of_other_batches_clears_the_ranks() -> None:
    run = sharing(0.25)
    values = run.tables[RANK_EQUAL_BATCHES.name].values.copy()
    values[2] = 0
    found = replace(run.tables[RANK_EQUAL_BATCHES.name], values=values)
    assert not findings(RULE, replace(run, tables={**run.tables, RANK_EQUAL_BATCHES.name: found}))


def streamed(second: float = 1.0, last: float = 0.0, workers: int = 2, at: int = 2) -> Run:
    """The second batch was the first one or not, the last one that before it or not; who reads was seen at some step."""
    run = repeating(0.0)
    steps = run.tables[BATCH_REPEATED.name].steps
    again = np.array([np.nan, second, 0.0, 0.0, last])
    read = table(STREAM_WORKERS, [at], [float(workers)])
    return replace(
        run,
        tables={
            **run.tables,
            BATCH_REPEATED.name: table(BATCH_REPEATED, steps, again),
            STREAM_WORKERS.name: read,
        },
    )


def test_workers_that_all_read_one_stream_are_a_warning() -> None:
    finding = the_finding(RULE, streamed())
    assert finding.severity is Severity.WARNING
    assert "2 worker processes" in finding.message.en


@pytest.mark.parametrize(
    "run",
    [
        streamed(second=0.0),  # they share it out
        streamed(at=1),  # seen at another step
        without(
            streamed(), STREAM_WORKERS
        ),  # one process reads: two steps are taken with each batch
    ],
)
def test_streams_that_are_shared_out_are_sound(run: Run) -> None:
    assert not findings(RULE, run)


def test_a_stream_of_one_batch_is_told_as_such() -> None:
    run = repeating(0.0, again=1.0)
    run = replace(run, tables={**streamed().tables, **run.tables})
    assert "this run trains on one batch" in the_finding(RULE, run).message.en
