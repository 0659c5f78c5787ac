from __future__ import annotations

import numpy as np
import pytest

from made.healthy import healthy_run
from made.logs import log, noisy
from tb_lossdiag.report.level_differences import level_differences


def rows(one: object, other: object) -> dict[str, tuple[str, str]]:
    pair = (log(noisy(np.asarray(v, float), 0.03, seed)) for seed, v in enumerate((one, other)))
    return {name: (a, b) for name, a, b in level_differences(*pair)}


FALLS = np.geomspace(1.55, 1.05, 60)


def test_says_where_a_run_begins_and_ends_beside_the_other() -> None:
    found = rows(FALLS, 11 * FALLS)
    assert set(found) == {"loss, first records", "loss, last quarter"}
    assert found["loss, first records"][0].startswith("1.5")
    assert found["loss, last quarter"][1].startswith("12")


@pytest.mark.parametrize(("factor", "expected"), [(1.0, False), (1.08, False), (1.25, True)])
def test_seeds_of_one_training_do_not_differ(factor: float, *, expected: bool) -> None:
    assert ("loss, last quarter" in rows(FALLS, factor * FALLS)) is expected


def test_noise_explains_what_a_few_records_show() -> None:
    one, other = (log(noisy(np.ones(60), 0.5, seed)) for seed in (1, 2))
    assert not list(level_differences(one, other))


def test_a_run_does_not_differ_from_itself() -> None:
    assert not list(level_differences(healthy_run(1), healthy_run(1)))
    short = log(np.ones(2))
    assert not list(level_differences(short, log(np.full(2, 9.0))))
