"""Ranks that part ways, in real processes: nobody waits long for another, and who is waited for is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import parting_ranks
from helpers.rank_processes import launching
from helpers.rule_asserts import the_finding
from helpers.tiny_trainings import read
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, RANK_PARAMETER_SPREAD, STEPS
from tb_lossdiag.rules.machine.rank_divergence import RankDivergence
from tb_lossdiag.run import Run

pytestmark = pytest.mark.timeout(600)
"""Whoever comes first waits for all trainings."""

LONGEST = 4.0
"""Seconds: one is the most that is waited for, the rest is for a busy machine."""
STALLED = [name for name in parting_ranks.TRAININGS if not name.endswith("comes_late")]
Told = Callable[[str, int], Any]
Runs = Callable[[str], Run]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all trainings are, once."""
    place = tmp_path_factory.mktemp("parted")
    with launching(parting_ranks.main) as launch:
        launch(place, 2, tuple(parting_ranks.TRAININGS))
    return place


@pytest.fixture(scope="module")
def told(folder: Path) -> Told:
    """What a rank of a training waited for, in seconds, and the words it was told."""
    return lambda training, rank: json.loads(
        (folder / f"told {training} {rank}").read_text(encoding="utf-8")
    )


@pytest.fixture(scope="module")
def runs(folder: Path) -> Runs:
    """The run of a training."""
    return lambda training: read(folder / training)


@pytest.mark.parametrize("training", STALLED)
def test_nobody_waits_long_for_a_rank_that_parts(told: Told, training: str) -> None:
    for rank in range(2):
        seconds = told(training, rank)["seconds"]
        assert not {what: long for what, long in seconds.items() if long > LONGEST}


def test_watch_waits_for_nobody(told: Told) -> None:
    assert told("fsdp_comes_late", 0)["seconds"]["watch"] < LONGEST
    assert told("forgotten_comes_late", 0)["seconds"]["step"] < LONGEST


@pytest.mark.parametrize("training", ["ddp_only_rank_0", "fsdp_only_rank_0"])
def test_who_writes_is_told_who_does_not_watch(told: Told, runs: Runs, training: str) -> None:
    assert any("rank 1" in words for words in told(training, 0)["words"])
    run = runs(training)
    assert len(run[LOSS]) == parting_ranks.STEPS
    assert any("rank 1" in word for word in run.facts.values())


@pytest.mark.parametrize("training", ["ddp_only_rank_1", "fsdp_only_rank_1"])
def test_who_watches_in_vain_is_told(told: Told, training: str) -> None:
    (words,) = told(training, 1)["words"]
    assert "rank 0" in words
    assert "nothing is recorded" in words


def test_sharded_ranks_at_different_steps_are_not_added_up(told: Told, runs: Runs) -> None:
    """Rank 1 leaves out steps 8, 16 and 17: from then on its n-th step is another one than rank 0's."""
    run = runs("fsdp_steps_differ")
    table = run[GRADIENT_NORM]
    right = np.isfinite(table.values).any(axis=1)
    assert set(table.steps[right].tolist()) <= set(range(8))
    assert run[STEPS].values.sum() == parting_ranks.STEPS
    assert any("different steps" in words for words in told("fsdp_steps_differ", 0)["words"])


def test_ranks_that_count_from_different_steps_are_not_added_up(runs: Runs) -> None:
    assert GRADIENT_NORM.name not in runs("fsdp_one_step_later").tables


def test_replicas_that_step_unlike_are_found(runs: Runs) -> None:
    run = runs("ddp_steps_differ")
    assert run[RANK_PARAMETER_SPREAD].steps.tolist() == [0, 1, 2, 4, 8, 16, 32]
    assert the_finding(RankDivergence(), run).code == "LD803"


def test_a_sharded_rank_that_comes_late_postpones_norms(runs: Runs) -> None:
    run = runs("fsdp_comes_late")
    seen = run[GRADIENT_NORM].steps[np.isfinite(run[GRADIENT_NORM].values).any(axis=1)]
    assert seen.tolist() in (list(range(parting_ranks.STEPS)), list(range(16, parting_ranks.STEPS)))
    assert not [fact for fact in run.facts if fact.startswith("failed")]


def test_a_rank_that_comes_late_postpones_comparing(runs: Runs) -> None:
    run = runs("forgotten_comes_late")
    assert run[RANK_PARAMETER_SPREAD].steps.tolist()[:7] == [0, 1, 2, 4, 8, 16, 32]
    assert "train different models" in the_finding(RankDivergence(), run).message.en
