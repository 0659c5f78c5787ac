"""Which rows belong to which step, however steps are numbered."""

from __future__ import annotations

from typing import Any

import torch

from tb_lossdiag.collect.call.batch_rows import BatchRows
from tb_lossdiag.quantities.batches import rows_of
from tb_lossdiag.run import LiveReport


class Loop:
    """Stands at a step, and keeps what was said."""

    def __init__(self) -> None:
        self.newest = -1
        self.facts: dict[str, str] = {}
        self.rows = BatchRows(lambda: self.newest, self.facts.update)

    def step(self, number: int, *given: Any) -> None:
        for ids in given:
            self.rows.take(ids)
        self.newest = number

    def asked(self, step: int, severity: str = "error", *, cleared: bool = False) -> str:
        self.rows.reported(LiveReport("LD101", "", severity, step, 0.0, cleared))
        return rows_of(self.facts, step)


def test_numbers_may_have_gaps() -> None:
    loop = Loop()
    for step in (100, 200, 300):
        loop.step(step, [step])
    assert [loop.asked(step) for step in (100, 200, 300)] == ["100", "200", "300"]
    assert loop.asked(250) == "300"
    assert not loop.asked(301)


def test_older_ones_than_half_a_thousand_are_forgotten() -> None:
    loop = Loop()
    for step in range(600):
        loop.step(step, step)
    assert (loop.asked(87), loop.asked(88)) == ("", "88")


def test_a_training_that_goes_back_begins_anew() -> None:
    loop = Loop()
    for step in (8, 9, 3, 4):
        loop.step(step, f"row {step}")
    assert (loop.asked(9), loop.asked(4)) == ("", "row 4")


def test_informations_and_what_has_cleared_are_no_reason() -> None:
    loop = Loop()
    loop.step(0, "a")
    assert loop.asked(0, "info") == loop.asked(0, cleared=True) == ""
    assert loop.asked(0, "warning") == "a"


def test_a_tensor_that_changed_since_names_nothing() -> None:
    loop, ids = Loop(), torch.arange(3)
    loop.step(0, ids)
    ids += 1
    assert not loop.asked(0)
    loop.step(1, ids)
    assert loop.asked(1) == "1, 2, 3"


def test_a_tensor_of_inference_names_its_rows() -> None:
    loop = Loop()
    with torch.inference_mode():
        ids = torch.arange(2)
    loop.step(0, ids)
    assert loop.asked(0) == "0, 1"
