"""What changes the records of a training and not the training changes no verdict: each rule's sick run, told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pytest

from helpers.sick_runs import by_code, sick_run
from made.healthy import healthy_run
from metamorphic import recording
from metamorphic.recording import busy, half, hurried, in_windows
from metamorphic.units import larger_inputs, larger_loss, renamed
from metamorphic.verdicts import Change, said
from tb_lossdiag.diagnosis.engine import diagnose, judge
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, LOSS_NONFINITE, STEPS
from tb_lossdiag.records import table
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

CODES = [rule.code for rule in RULES]
CHANGES: Mapping[str, Change] = {
    "a quick machine": partial(hurried, first=100),
    "half the records": half,
    "a busy machine": busy,
    "other names": renamed,
    "a thousand times the loss": larger_loss,
    "ten times the inputs": larger_inputs,
}
LOST = {
    ("LD105", "a quick machine"): "a swing from step to step shows only where each step has a record",
    ("LD105", "half the records"): "a swing of two steps shows nothing to who looks at every second one",
    ("LD111", "half the records"): "the break lies between two records, and half of them show a gentler one",
    ("LD112", "a thousand times the loss"): "how much a language model may cost at first is a number of its own",
    ("LD115", "a quick machine"): "where records stand for ever more steps, no number of them is a period",
    ("LD203", "half the records"): "the level before a jump takes 64 records, which two of the three jumps lack then",
    ("LD410", "half the records"): "it compares check-ups with the loss recorded at their very steps",
    ("LD539", "a thousand times the loss"): "what guessing costs is known in the loss's own unit",
    ("LD633", "other names"): "an adapter and the layer beside it are told by the names that PEFT gives them",
    ("LD805", "a thousand times the loss"): "float16 numbers near 0 are no longer near 0",
}  # fmt: skip
"""Where the records cannot tell any more, and why."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("code", CODES)
def test_the_verdict_stays(code: str, change: str) -> None:
    if (code, change) not in LOST:
        assert _judged(CHANGES[change](sick_run(code)), code) == _judged(sick_run(code), code)


@pytest.mark.parametrize(("code", "change"), LOST)
def test_what_is_lost_is_silence_or_less(code: str, change: str) -> None:
    """If it is named after all, it is time to strike it off the list."""
    before, after = (_judged(r, code) for r in (sick_run(code), CHANGES[change](sick_run(code))))
    assert before != after


def _judged(run: Run, code: str) -> list[str]:
    return sorted({finding.severity.label for finding in judge(run, by_code(code))[1]})


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(3))
def test_a_healthy_run_stays_healthy(seed: int, change: str) -> None:
    assert not said(diagnose(CHANGES[change](healthy_run(seed, 400)), RULES))


def test_windows_keep_what_a_recorder_keeps() -> None:
    values = np.array([3.0, 1.0, 7.0, np.nan, np.nan, 2.0])
    run = Run(
        "r",
        {
            LOSS.name: table(LOSS, range(6), values),
            LOSS_NONFINITE.name: table(LOSS_NONFINITE, range(6), np.isnan(values)),
            GRADIENT_NORM.name: table(GRADIENT_NORM, range(6), values),
        },
    )
    whole = in_windows(run, np.array([3, 5], np.int64))
    np.testing.assert_allclose(whole[LOSS].values[:, 0], [11 / 3, 2])
    np.testing.assert_allclose(whole[GRADIENT_NORM].values[:, 0], [7, 2])
    np.testing.assert_allclose(whole[LOSS_NONFINITE].values[:, 0], [1, 1])
    np.testing.assert_allclose(whole.highest(LOSS).values[:, 0], [7, 2])
    np.testing.assert_allclose(whole.lowest(LOSS).values[:, 0], [1, 2])
    assert whole.highest_at(LOSS)[:, 0].tolist() == [2, 5]
    assert whole.highest_at(LOSS_NONFINITE)[:, 0].tolist() == [3, 4]


def test_windows_grow_as_those_of_the_recorder() -> None:
    steps = np.arange(512 + 64 * 2 + 64 * 4 + 3)
    run = Run("r", {LOSS.name: table(LOSS, steps, np.ones(len(steps)))})
    found = np.diff(hurried(run)[LOSS].steps)
    assert found.tolist() == [1] * 511 + [2] * 64 + [4] * 64 + [3]
    assert hurried(run, 2000) is run


def test_who_looks_at_every_second_step_counts_all() -> None:
    run = healthy_run(0)
    assert half(run)[LOSS].steps.tolist() == run[LOSS].steps[::2].tolist()
    assert half(run)[STEPS].values.sum() == run[STEPS].values.sum()


def test_the_last_check_ups_are_left_out_and_the_first_are_not() -> None:
    run = busy(healthy_run(0, 5000))
    before = healthy_run(0, 5000).tables["check_seconds"].steps
    after = run.tables["check_seconds"].steps
    assert after[: recording.ALWAYS].tolist() == before[: recording.ALWAYS].tolist()
    assert len(after) == recording.ALWAYS + (len(before) - recording.ALWAYS) // 2
