"""Clips of many steps come together as they would one by one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tb_lossdiag.collect.buffers.clip_buffer import ClipBuffer
from tb_lossdiag.collect.buffers.norm_buffer import NormBuffer
from tb_lossdiag.collect.clips.ledger import ClipBatch, ClipLedger, Order
from tb_lossdiag.collect.state.transfer import gather
from tb_lossdiag.records import FrameBlock

ROWS = NormBuffer("", ("a",))
SETS = [nn.Parameter(torch.zeros(1)) for _ in range(2)]


def batch(
    ledger: ClipLedger, total: float, *, after: float | None = None, sets: int = 1
) -> ClipBatch:
    """What a step's clips of some sets of parameters leave."""
    for one in SETS[:sets]:
        one.grad = torch.tensor([total])
        left: Tensor | None = None if after is None else torch.tensor(after)
        order = Order(0.0, 1.0)
        ledger.note([one], torch.tensor(total), 1.0, each=None, after=left, order=order)
    found = ledger.take()
    assert found is not None
    return found


def assert_as_one_by_one(block: FrameBlock, batches: list[ClipBatch]) -> None:
    for row, one in enumerate(batches):
        sample = one.sample()
        records = sample.finish(gather(sample.tensors))
        assert [r.quantity for r in records] == list(block.values)
        for record in records:
            assert record.columns == block.columns
            np.testing.assert_array_equal(record.values, block.values[record.quantity][row])


@np.errstate(all="ignore")
def test_a_block_holds_what_the_records_of_its_steps_do() -> None:
    ledger, waiting = ClipLedger(), ClipBuffer()
    totals = [0.5, 3.0, float("nan"), float("inf"), 0.0]
    ours = [batch(ClipLedger(), total, sets=2) for total in totals]
    cut = [batch(ledger, total, after=min(total, 1.0)) for total in totals[:2]]
    for step, (one, other) in enumerate(zip(ours, [*cut, None, None, None], strict=True)):
        waiting.put(step, 10.0 + step, one, ROWS)
        if other is not None:
            waiting.put(step, 10.0 + step, other, ROWS)
    assert len(waiting) == 7
    first, second = waiting.take()
    assert len(waiting) == 0
    assert first.steps.tolist() == [0, 1, 2, 3, 4]
    assert first.walltimes.tolist() == [10.0, 11.0, 12.0, 13.0, 14.0]
    assert second.steps.tolist() == [0, 1]
    assert_as_one_by_one(first, ours)
    assert_as_one_by_one(second, cut)


def test_steps_of_a_block_rise_and_of_one_step_the_last_counts() -> None:
    waiting = ClipBuffer()
    made = [batch(ClipLedger(), total) for total in (1.0, 2.0, 3.0, 4.0, 5.0)]
    for step, one in zip([7, 7, 8, 3, 4], made, strict=True):
        waiting.put(step, float(step), one, ROWS)
    before, again = waiting.take()
    assert before.steps.tolist() == [7, 8]
    assert again.steps.tolist() == [3, 4]
    assert_as_one_by_one(before, made[1:3])
    assert_as_one_by_one(again, made[3:])


def test_renamed_steps_are_those_of_the_watch_alone() -> None:
    waiting = ClipBuffer()
    other = NormBuffer("b", ("a",))
    waiting.put(0, 0.0, batch(ClipLedger(), 1.0), ROWS)
    waiting.put(1, 0.0, batch(ClipLedger(), 1.0), other)
    waiting.rename(ROWS, {0: 5, 1: 6})
    assert [block.steps.tolist() for block in waiting.take()] == [[5], [1]]
    waiting.put(1, 0.0, batch(ClipLedger(), 1.0), other)
    waiting.clear()
    assert waiting.take() == []
