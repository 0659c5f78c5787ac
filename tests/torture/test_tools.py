"""What people do with a model beside training it gives the same answer while it is watched, and training goes on the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.tensorboard import SummaryWriter as Plain
from torture.tools import TOOLS, Tool, net

from helpers.check_up_driver import assert_nothing_installed
from tb_lossdiag import SummaryWriter

# Of torch's own tracers and quantisers, about themselves.
pytestmark = pytest.mark.filterwarnings("ignore", "error:Loss Doctor")


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    torch._dynamo.reset()
    assert_nothing_installed()


class Beside:
    """A training of so many steps, the tool's answer then, and two steps more."""

    def __init__(self, tool: Tool, steps: int, folder: Path, *, watched: bool) -> None:
        torch.manual_seed(1)
        self.model = net()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.writer: Any = SummaryWriter(folder) if watched else Plain(folder)
        if isinstance(self.writer, SummaryWriter):
            self.writer.watch(self.model, self.optimizer)
        self._train(steps)
        torch._dynamo.reset()
        self.answer = self._asked(tool)
        self.model.train()
        self._train(2)
        self.writer.close()
        self.weights = [float(p.detach().double().sum()) for p in self.model.parameters()]

    def _asked(self, tool: Tool) -> Any:
        try:
            return tool(self.model, self.writer)
        except Exception as error:  # noqa: BLE001  (that torch refuses is an answer, too)
            return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"

    def _train(self, steps: int) -> None:
        for _ in range(steps):
            self.optimizer.zero_grad()
            x = torch.randn(8, 6)
            cross_entropy(self.model(x), (x[:, 0] > 0).long()).backward()
            self.optimizer.step()


@pytest.mark.parametrize("steps", [0, 8])
@pytest.mark.parametrize("name", TOOLS)
def test_its_answer_is_the_same(tmp_path: Path, name: str, steps: int) -> None:
    expected = Beside(TOOLS[name], steps, tmp_path / "plain", watched=False)
    found = Beside(TOOLS[name], steps, tmp_path / "watched", watched=True)
    assert found.answer == expected.answer
    assert found.weights == expected.weights
    assert not str(expected.answer).startswith("AssertionError")
