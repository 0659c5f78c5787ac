"""What a run came to, as a table of many runs tells it."""

from __future__ import annotations

import numpy as np

from tb_lossdiag.quantities import (
    CLIP_BOUND,
    CLIP_CALLS,
    CLIP_GLOBAL_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import Table, table
from tb_lossdiag.report.measures import measures
from tb_lossdiag.run import Run


def run(*tables: Table) -> Run:
    return Run("run", {t.quantity.name: t for t in tables}, {"optimizer": "SGD"})


def test_losses_begin_end_and_have_a_best() -> None:
    told = measures(
        run(
            table(LOSS, range(4), [3.0, 1.0, np.nan, 2.0]),
            table(VALIDATION_LOSS, [0, 2], [5.0, 4.0]),
            table(LEARNING_RATE, [0], [0.1], ["group 0"]),
        )
    )
    assert [told[f"loss_{when}"] for when in ("first", "last", "best")] == [3.0, 2.0, 1.0]
    assert (told["validation_last"], told["validation_best"]) == (4.0, 4.0)
    assert told["settings"]["optimizer"] == "SGD"
    assert told["begun"] <= told["newest"]


def test_what_was_not_recorded_is_none() -> None:
    nothing = measures(run())
    assert {nothing[name] for name in nothing if name != "settings"} == {None}
    never = measures(run(table(LOSS, [0], [np.inf])))
    assert never["loss_last"] is None


def test_norms_and_clips() -> None:
    clips = [
        table(CLIP_CALLS, [0, 1], [4.0, 4.0], ["c"]),
        table(CLIP_BOUND, [0, 1], [2.0, 0.0], ["c"]),
    ]
    told = measures(run(*clips, table(CLIP_GLOBAL_NORM, [0, 1], [7.0, 3.0], ["c"])))
    assert (told["clip_rate"], told["gradient_norm_last"]) == (0.25, 3.0)
    assert measures(run(table(GLOBAL_NORM, [0], [5.0], [""])))["gradient_norm_last"] == 5.0
    assert measures(run(clips[0]))["clip_rate"] is None
    none = table(CLIP_CALLS, [0], [0.0], ["c"])
    assert measures(run(none, clips[1]))["clip_rate"] is None
