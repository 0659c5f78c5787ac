"""Steps that use the gradients of a step before are counted, and said when there are more."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.collect.watch.gradient_reuse import GradientReuse
from tb_lossdiag.records import Record


def values(records: list[Record]) -> dict[str, float]:
    return {record.quantity.name: float(record.values[0]) for record in records}


def test_a_step_with_old_gradients_counts_and_is_said_once() -> None:
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    optimizers = Optimizers(Guard(lambda _: None))
    optimizers.watch(optimizer)
    reuse = GradientReuse("net", optimizer, optimizers)
    reuse.look()  # nothing has been used yet
    net(torch.ones(1, 2)).sum().backward()
    reuse.look()
    optimizer.step()
    assert reuse.news() == []
    reuse.look()  # the same gradients again
    (looked, reused) = sorted(reuse.news(), key=lambda record: record.quantity.name)
    assert values([looked, reused]) == {"looked_steps": 3, "reused_steps": 1}
    assert looked.columns == reused.columns == ("net",)
    assert reuse.news() == []
    optimizer.zero_grad()
    net(torch.ones(1, 2)).sum().backward()
    reuse.look()
    assert reuse.news() == []


@pytest.mark.parametrize(("every", "apart"), [(1, 7), (6, 7), (10, 11), (11, 11), (100, 101)])
def test_looks_fall_on_odd_and_on_even_steps(every: int, apart: int) -> None:
    net = nn.Linear(2, 1)
    optimizers = Optimizers(Guard(lambda _: None))
    reuse = GradientReuse("", torch.optim.SGD(net.parameters(), lr=0.1), optimizers, every)
    due = [taken for taken in range(600) if reuse.due(taken)]
    assert {taken % 2 for taken in due} == {0, 1}
    assert len(due) == 600 // apart
