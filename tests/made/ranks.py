"""The healthy run's eight ranks: what they tell each other when they are compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.records import Doubles, Steps, Table, table

_RANKS = 8


def rank_tables(
    seed: int, known: Mapping[str, Table], steps: Steps, seconds: Doubles
) -> list[Table]:
    """What eight ranks that see shuffled data have; of random numbers of its own."""
    rng = np.random.default_rng([seed, ord("r")])
    count, none = len(steps), np.zeros(len(steps))
    loss = known[q.LOSS.name].at(steps)[:, 0].astype(float)
    covered = np.diff(steps, prepend=-1)
    noise = 0.05 * np.abs(loss) / np.sqrt(covered)
    own = 0.4 * seconds
    values = {
        q.RANK_COUNT: none + _RANKS,
        q.RANK_STEPS: covered,
        q.RANK_LOSS_OTHERS: loss,
        q.RANK_LOSS_WORST: loss + 2 * noise * rng.choice([-1, 1], count),
        q.RANK_LOSS_WORST_RANK: rng.integers(0, _RANKS, count),
        q.RANK_LOSS_SPREAD: 0.7 * noise,
        q.RANK_LOSS_STD: 0.05 * np.abs(loss),
        q.RANK_BROKEN: none,
        q.RANK_BROKEN_FIRST: none + np.nan,
        q.RANK_SECONDS_OTHERS: own,
        q.RANK_SECONDS_WORST: own * rng.uniform(1.01, 1.2, count),
        q.RANK_SECONDS_WORST_RANK: rng.integers(0, _RANKS, count),
        q.RANK_WAIT_EXCESS: own * rng.uniform(0, 0.05, count),
        q.RANK_SCORED_OTHERS: none + 32,
        q.RANK_SCORED_WORST: none + 32,
        q.RANK_SCORED_WORST_RANK: none,
        q.RANK_EQUAL_BATCHES: none,
        q.RANK_EQUAL_RANK: none + np.nan,
        q.RANK_FRESH_BATCHES: none + 1,
        q.RANK_TROUBLED: none,
        q.RANK_TROUBLED_FIRST: none + np.nan,
    }
    return [table(quantity, steps, there) for quantity, there in values.items()]
