"""A run in memory is the run that a reader makes of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.tiny_trainings import backward, model, read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.live.memory import Memory


class Both:
    """Passes on what is written, and remembers it."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def take(self, values: list[Any], step: int, walltime: float) -> None:
        self.memory.take(values, step, walltime)


@pytest.mark.parametrize("again", [None, 30])
def test_the_tables_are_those_of_the_file(tmp_path: Path, again: int | None) -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    memory = Memory(".")
    with SummaryWriter(tmp_path) as out:
        out._event_file.listener = Both(memory)
        for step in [*range(40), *([] if again is None else range(again, 45))]:
            loss = backward(net, step)
            out.clip_grad_norm_(net.parameters(), 0.5)
            terms = {"fit": loss, "penalty": (0.1 * loss, 0.5)}
            out.add_diagnostics(
                net, optimizer=optimizer, loss=loss, loss_terms=terms, global_step=step
            )
            optimizer.step()
            if step % 10 == 0:
                out.add_diagnostics(loss=loss, phase="validation", global_step=step)
    truth, held = read(tmp_path), memory.run()
    assert held.tables.keys() == truth.tables.keys()
    assert held.facts == truth.facts
    assert memory.newest == truth.last_step()
    for name, table in truth.tables.items():
        assert held.tables[name].columns == table.columns
        np.testing.assert_array_equal(held.tables[name].steps, table.steps)
        np.testing.assert_array_equal(held.tables[name].values, table.values)
        np.testing.assert_array_equal(held.tables[name].walltimes, table.walltimes)


def test_it_stays_below_its_limit(tmp_path: Path) -> None:
    net = model()
    memory = Memory(".", limit=60_000)
    sizes = []
    with SummaryWriter(tmp_path) as out:
        out._event_file.listener = Both(memory)
        for step in range(1000):
            out.add_diagnostics(net, loss=backward(net, step), global_step=step)
            sizes.append(memory.size)
    assert max(sizes) > 50_000
    assert max(sizes) < 61_000
    steps = memory.run().tables["loss"].steps
    assert steps[0] == 0
    assert steps[-300:].tolist() == list(range(700, 1000))
