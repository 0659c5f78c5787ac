"""Numbers computed from recorded ones."""

from __future__ import annotations

import numpy as np
import pytest

from tb_lossdiag.analysis.derived import (
    RATE_RECORDS,
    available,
    clip_factor,
    clip_factor_range,
    clip_rate,
    elapsed,
    gradient_share,
    progress,
    update_ratio,
)
from tb_lossdiag.quantities import (
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    CLIP_NORM_AFTER,
    EXTRA,
    GRADIENT_NORM,
    LOSS,
    PARAMETER_NORM,
    UPDATE_NORM,
)
from tb_lossdiag.records import Table, table
from tb_lossdiag.run import Run


def run_of(*tables: Table) -> Run:
    return Run("run", {t.quantity.name: t for t in tables})


def test_an_update_is_compared_with_the_newest_norm_before_it() -> None:
    norms = table(PARAMETER_NORM, [0, 10], [[2.0, 0.0], [4.0, 0.0]], ["w", "b"])
    updates = table(UPDATE_NORM, [5, 10, 12], [[0.2, 0.1], [0.2, 0.1], [0.4, 0.1]], ["w", "b"])
    ratio = update_ratio(run_of(norms, updates))
    assert ratio.steps.tolist() == [5, 10, 12]
    np.testing.assert_allclose(ratio.column("w"), [0.1, 0.05, 0.1], rtol=1e-6)
    assert np.isnan(ratio.column("b")).all()  # a zero parameter has no ratio


def test_no_norm_before_the_update_gives_no_ratio() -> None:
    norms = table(PARAMETER_NORM, [10], [[2.0]], ["w"])
    updates = table(UPDATE_NORM, [5], [[0.2]], ["w"])
    assert np.isnan(update_ratio(run_of(norms, updates)).values).all()


def test_shares_of_a_record_add_up_and_infinity_does_not_count() -> None:
    norms = table(GRADIENT_NORM, [0, 1, 2], [[3.0, 4.0], [np.inf, 2.0], [0.0, 0.0]], ["a", "b"])
    share = gradient_share(run_of(norms))
    np.testing.assert_allclose(share.values[0], [0.36, 0.64], rtol=1e-6)
    assert np.isnan(share.values[1, 0])
    assert share.values[1, 1] == 1
    assert np.isnan(share.values[2]).all()


def test_only_what_the_records_allow_is_offered() -> None:
    assert available(run_of(table(GRADIENT_NORM, [0], [1.0], ["w"]))) == [
        "gradient_share",
        "elapsed",
    ]
    assert available(run_of(table(PARAMETER_NORM, [0], [1.0], ["w"]))) == ["elapsed"]
    assert available(run_of()) == []


def test_time_counts_from_the_first_record_of_any_quantity_and_never_falls() -> None:
    run = run_of(
        table(LOSS, [2, 4, 6], [1.0, 1.0, 1.0], walltimes=[1e9 + 3, 1e9 + 2, 1e9 + 9.5]),
        table(PARAMETER_NORM, [0, 4], [[1.0], [1.0]], ["w"], walltimes=[1e9, 1e9 + 2]),
    )
    clock = elapsed(run)
    assert clock.steps.tolist() == [0, 2, 4, 6]
    assert clock.values[:, 0].tolist() == [0, 3, 3, 9.5]


def test_epochs_go_on_evenly_between_their_numbers() -> None:
    steps, epochs = np.arange(8), [0, 0, 1, 1, 1, 1, 2, np.nan]
    run = run_of(table(EXTRA, steps, np.array([epochs, np.zeros(8)]).T, ["epoch", "accuracy"]))
    assert progress(run, "epoch").values[:, 0].tolist() == [0, 0.5, 1, 1.25, 1.5, 1.75, 2, 2.25]
    assert available(run) == ["elapsed", "epoch"]


def test_what_never_rises_says_nothing_of_the_way() -> None:
    same = table(EXTRA, [0, 1, 2], [[3.0, 9.0], [3.0, 8.0], [3.0, np.nan]], ["epoch", "tokens"])
    assert available(run_of(same)) == ["elapsed"]
    back = table(EXTRA, [0, 1, 2, 3], [[0.0], [10.0], [5.0], [20.0]], ["tokens"])
    assert progress(run_of(back), "tokens").values[:, 0].tolist() == [0, 10, 15, 20]


@pytest.mark.parametrize("records", RATE_RECORDS)
def test_the_clip_rate_is_that_of_the_last_records(records: int) -> None:
    steps = np.arange(3 * records)
    norms = np.where(steps < records, 2.0, 0.5)
    run = run_of(
        table(CLIP_GLOBAL_NORM, steps, norms), table(CLIP_MAX_NORM, steps, np.ones(len(steps)))
    )
    rate = clip_rate(run, records).values[:, 0]
    assert rate[records - 1] == 1
    assert rate[records + records // 2 - 1] == 0.5
    assert rate[-1] == 0


def test_counts_of_records_that_cover_many_steps_go_before_their_last_norm() -> None:
    norm, limit = (
        table(CLIP_GLOBAL_NORM, [9, 19], [0.5, 0.5]),
        table(CLIP_MAX_NORM, [9, 19], [1, 1]),
    )
    calls, bound = table(CLIP_CALLS, [9, 19], [10, 10]), table(CLIP_BOUND, [9, 19], [10, 0])
    assert clip_rate(run_of(norm, limit, calls, bound), 100).values[:, 0].tolist() == [1, 0.5]


def test_a_norm_that_is_not_finite_says_nothing_about_the_clip_rate() -> None:
    norm = table(CLIP_GLOBAL_NORM, [0, 1, 2], [np.nan, 2.0, np.nan])
    run = run_of(norm, table(CLIP_MAX_NORM, [0, 1, 2], [1, 1, 1]))
    np.testing.assert_equal(clip_rate(run, 10).values[:, 0], np.array([np.nan, 1, 1], np.float32))


def test_the_clip_coefficient_is_torchs_with_the_extremes_inside_a_record() -> None:
    norm, limit = (
        table(CLIP_GLOBAL_NORM, [9, 19], [4.0, 0.5]),
        table(CLIP_MAX_NORM, [9, 19], [1, 1]),
    )
    high = table(CLIP_GLOBAL_NORM.highest(), [9, 19], [10.0, 2.0])
    low = table(CLIP_GLOBAL_NORM.lowest(), [9, 19], [2.0, 0.1])
    run = run_of(norm, limit, high, low)
    assert clip_factor(run).values[:, 0].tolist() == pytest.approx([0.25, 1.0], rel=1e-5)
    least, most = clip_factor_range(run)
    assert least.values[:, 0].tolist() == pytest.approx([0.1, 0.5], rel=1e-5)
    assert most.values[:, 0].tolist() == pytest.approx([0.5, 1.0], rel=1e-5)
    assert "clip_coefficient" in available(run)


def test_norms_without_a_value_have_no_coefficient_and_an_infinite_one_leaves_nothing() -> None:
    norm = table(CLIP_GLOBAL_NORM, [0, 1, 2], [np.nan, np.inf, 0.0])
    run = run_of(norm, table(CLIP_MAX_NORM, [0, 1, 2], [1, 1, 1]))
    np.testing.assert_equal(clip_factor(run).values[:, 0], np.array([np.nan, 0, 1], np.float32))


def test_a_clip_by_value_has_the_coefficient_of_its_norms_since_its_bound_is_one_elements() -> None:
    names = ["clip", "clip value"]
    norm = table(CLIP_GLOBAL_NORM, [0, 1], [[4.0, 4.0], [4.0, 0.0]], names)
    limit = table(CLIP_MAX_NORM, [0, 1], [[1.0, 0.5], [1.0, 0.5]], names)
    after = table(CLIP_NORM_AFTER, [0, 1], [[1.0, 3.0], [1.0, 0.0]], names)
    run = run_of(norm, limit, after)
    assert clip_factor(run).values[:, 1].tolist() == [0.75, 1.0]
    assert np.isnan(clip_factor(run_of(norm, limit)).values[:, 1]).all()
    least, most = clip_factor_range(run)
    assert np.isnan(least.values[:, 1]).all()
    assert np.isnan(most.values[:, 1]).all()
