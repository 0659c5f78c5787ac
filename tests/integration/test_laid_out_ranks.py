"""What ranks know of each other, in real processes; and models of which each rank has a part."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch.nn.functional import cross_entropy

from helpers import laid_out_ranks, rank_main
from helpers.rank_processes import launching
from helpers.rule_asserts import findings, the_finding
from helpers.tiny_trainings import read
from tb_lossdiag import quantities as q
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.rules.machine.rank_loss_apart import RankLossApart
from tb_lossdiag.rules.machine.repeated_data import RepeatedData
from tb_lossdiag.rules.machine.slow_rank import SlowRank
from tb_lossdiag.run import Run

pytestmark = pytest.mark.timeout(600)
"""Whoever comes first waits for all trainings."""

Runs = Callable[[str], Run]
BOTH = pytest.mark.parametrize("training", ["apart", "apart_sharded"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all trainings are, once."""
    place = tmp_path_factory.mktemp("laid out")
    with launching(laid_out_ranks.main) as launch:
        launch(place, 2, tuple(laid_out_ranks.TRAININGS))
        for start in laid_out_ranks.RESTARTS:
            launch(place, 2, (start,))
    return place


@pytest.fixture(scope="module")
def runs(folder: Path) -> Runs:
    """The run of a training."""
    return lambda training: read(folder / training)


def told(folder: Path, training: str) -> list[str]:
    """What the ranks of a training were told."""
    files = [folder / f"told {training} {rank}" for rank in range(2)]
    return [word for file in files for word in json.loads(file.read_text(encoding="utf-8"))]


def last(run: Run, quantity: Quantity) -> float:
    return float(run[quantity].values[-1, 0])


def reference() -> list[list[float]]:
    """Norms of the gradients of the same training in one process."""
    model = laid_out_ranks.deep()
    optimizer, norms = rank_main.optimizer_of(model), []
    for step in range(laid_out_ranks.STEPS):
        x, y = rank_main.batch(step)
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        norms.append(
            [float(p.grad.double().norm()) for p in model.parameters() if p.grad is not None]
        )
        optimizer.step()
    return norms


@BOTH
def test_the_rank_that_is_apart_is_named(runs: Runs, folder: Path, training: str) -> None:
    run = runs(training)
    assert run[q.RANK_COUNT].steps.tolist() == [0, 1, 2, 4, 8, 16, 32, 64, 128]
    assert last(run, q.RANK_STEPS) == 64
    assert last(run, q.RANK_SCORED_OTHERS) == laid_out_ranks.SAMPLES
    assert last(run, q.RANK_SCORED_WORST) == laid_out_ranks.TARGETS
    for rank in (q.RANK_SCORED_WORST_RANK, q.RANK_SECONDS_WORST_RANK, q.RANK_LOSS_WORST_RANK):
        assert last(run, rank) == 1
    assert last(run, q.RANK_WAIT_EXCESS) > 0.8 * laid_out_ranks.LATE
    assert last(run, q.RANK_EQUAL_BATCHES) == last(run, q.RANK_TROUBLED) == 0
    assert "Rank 1" in the_finding(RankLossApart(), run).message.en
    assert "gets its data" in the_finding(SlowRank(), run).advice.en
    assert not findings(RepeatedData(), run)
    assert not told(folder, training)


def test_the_means_are_those_of_the_ranks(runs: Runs) -> None:
    """Rank 0 writes each of its losses: the others' mean is another rank's, the worst's or the other's is its own."""
    run = runs("apart")
    loss = run[q.LOSS]
    since = (loss.steps > 64) & (loss.steps <= 128)
    own = float(loss.values[since, 0].astype(float).mean())
    assert last(run, q.RANK_LOSS_OTHERS) == pytest.approx(own, rel=1e-6)


def test_ranks_that_share_their_batches_are_told(runs: Runs) -> None:
    run = runs("same_batches")
    assert "rank 1 among them" in the_finding(RepeatedData(), run).message.en
    assert last(run, q.RANK_FRESH_BATCHES) == 1


def test_the_rank_that_broke_first_is_named(runs: Runs) -> None:
    run = runs("one_breaks")
    said = the_finding(RankLossApart(), run).message.en
    assert "Rank 1 was the first" in said
    assert "between step 65 and step 128" in said


def test_norms_of_tensor_parallel_layers_are_those_of_one_process(runs: Runs, folder: Path) -> None:
    run, truth = runs("tensors_parallel"), np.array(reference())
    norms = run[q.GRADIENT_NORM]
    assert norms.steps.tolist() == list(range(laid_out_ranks.STEPS))
    np.testing.assert_allclose(norms.values[0], truth[0], rtol=3e-7)
    np.testing.assert_allclose(norms.values, truth, rtol=1e-4)  # rounding grows as it trains
    assert "a part of every layer" in run.facts["ranks"]
    assert not told(folder, "tensors_parallel")


def test_of_a_pipeline_a_stage_is_recorded_and_the_rest_is_said(runs: Runs, folder: Path) -> None:
    run, truth = runs("pipelined"), np.array(reference())
    norms = run[q.GRADIENT_NORM]
    assert norms.columns == ("0.weight", "0.bias")
    np.testing.assert_allclose(norms.values[0], truth[0, :2], rtol=3e-7)
    assert "a stage of the pipeline" in run.facts["ranks"]
    (words,) = told(folder, "pipelined")
    assert "records its own alone" in words
    assert q.RANK_PARAMETER_SPREAD.name not in run.tables


def test_ranks_that_are_started_anew_go_on_in_the_folder(runs: Runs, folder: Path) -> None:
    """As an elastic agent starts them: other processes, another store. Nobody waits for the rank that ends before the other."""
    run = runs("restarted")
    assert run[q.LOSS].steps.tolist() == list(range(laid_out_ranks.STEPS))
    again = [laid_out_ranks.RESUMED + step for step in (0, 1, 2, 4, 8, 16)]
    compared = run[q.RANK_PARAMETER_SPREAD].steps.tolist()
    assert set(compared) >= set(again)  # of the killed start what was known a second before its end
    assert set(run[q.RANK_COUNT].values[:, 0]) == {2.0}
    assert not [fact for fact in run.facts if fact.startswith("failed")]
    seconds = [float((folder / f"closed {rank}").read_text()) for rank in range(2)]
    assert max(seconds) < 30
