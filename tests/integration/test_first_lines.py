"""The lines that the page shows where nothing was recorded yet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.tiny_trainings import read
from tb_lossdiag.quantities import GRADIENT_NORM, LEARNING_RATE, LOSS

PAGE = Path(__file__).parents[2] / "frontend" / "src" / "shell" / "Empty.tsx"


def test_the_four_lines_record_losses_gradients_and_learning_rates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = re.search(r"SNIPPET = `(.+?)`", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    lines = found[1].splitlines()
    assert len(lines) == 4
    model = nn.Linear(3, 1)
    names: dict[str, object] = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
    }
    exec("\n".join(lines[:3]), names)  # noqa: S102
    for step in range(5):
        names["optimizer"].zero_grad()  # type: ignore[attr-defined]
        names["loss"] = loss = model(torch.ones(2, 3)).pow(2).mean()
        names["step"] = step
        loss.backward()
        exec(lines[3], names)  # noqa: S102
        names["optimizer"].step()  # type: ignore[attr-defined]
    names["writer"].close()  # type: ignore[attr-defined]
    run = read(tmp_path / "runs" / "first")
    assert run[LOSS].steps.tolist() == [0, 1, 2, 3, 4]
    assert len(run[GRADIENT_NORM]) == 5
    assert LEARNING_RATE in run
