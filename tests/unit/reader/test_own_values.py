"""What a loop hands over by `extra` under a name that agents' logs use."""

from __future__ import annotations

import numpy as np
import pytest

from tb_lossdiag.quantities import CHOSEN_REWARD, EXTRA, POLICY_ENTROPY, REWARD, Quantity
from tb_lossdiag.reader.own_values import with_own_values
from tb_lossdiag.records import Table, table
from tb_lossdiag.run import Run

STEPS, NAN = np.array([0, 5, 9]), float("nan")


def run(**own: list[float]) -> Run:
    values = np.array([*own.values()], np.float32).T
    columns = tuple(name.replace("__", "/") for name in own)
    return Run("run", {EXTRA.name: Table(EXTRA, columns, STEPS, STEPS.astype(float), values)})


@pytest.mark.parametrize(
    ("own", "found"),
    [
        ({"reward": [1, 2, 3]}, {REWARD}),
        ({"episode_return": [1, 2, 3], "entropy": [3, 2, 1]}, {REWARD, POLICY_ENTROPY}),
        ({"rewards__chosen": [1, 2, 3]}, {CHOSEN_REWARD}),
        ({"entropy": [3, 2, 1]}, set()),  # of anything
        ({"epoch": [0, 1, 2], "accuracy": [0, 1, 1]}, set()),
    ],
)
def test_it_is_read_as_a_scalar_of_that_name_would_be(
    own: dict[str, list[float]], found: set[Quantity]
) -> None:
    seen = with_own_values(run(**own))
    assert {*seen.tables} == {EXTRA.name, *(quantity.name for quantity in found)}
    assert seen[EXTRA].columns == run(**own)[EXTRA].columns


def test_steps_without_a_value_are_no_records() -> None:
    seen = with_own_values(run(loss_of_mine=[1, 2, 3], reward=[NAN, 2, 4]))[REWARD]
    assert (seen.columns, [*seen.steps], [*seen.column("")]) == (("",), [5, 9], [2, 4])


def test_what_was_logged_itself_stays() -> None:
    logged = table(REWARD, STEPS, np.array([7.0, 8, 9]))
    before = run(reward=[1, 2, 3])
    seen = with_own_values(Run("run", {**before.tables, REWARD.name: logged}))
    assert [*seen[REWARD].column("")] == [7, 8, 9]
    assert with_own_values(Run("run", {REWARD.name: logged})).tables == {REWARD.name: logged}
