"""The word for a run, and the exit code, are the same wherever one asks: command line, Python, and the tab."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

import tb_lossdiag
from tb_lossdiag import SummaryWriter
from tb_lossdiag.cli import main


def _curve(*losses: float) -> Callable[[SummaryWriter], None]:
    def write(writer: SummaryWriter) -> None:
        for step, loss in enumerate(losses):
            writer.add_diagnostics(loss=loss, global_step=step)

    return write


def _without_a_training_loss(writer: SummaryWriter) -> None:
    for step in range(60):
        writer.add_diagnostics(loss=2 - 0.01 * step, phase="validation", global_step=step)


def _sound(writer: SummaryWriter) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    kinds = 2 * torch.randn(3, 8)
    writer.watch(model, optimizer)
    for step in range(150):
        target = torch.randint(0, 3, (64,))
        loss = cross_entropy(model(kinds[target] + torch.randn(64, 8)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


WORDS: dict[str, tuple[Callable[[SummaryWriter], None], int]] = {
    "broken": (_curve(*[1.0] * 20, *[float("nan")] * 20), 1),
    "warning": (_curve(*[2.3, 2.301, 2.299, 2.3] * 30), 1),
    "healthy": (_sound, 0),
    "nothing found": (_curve(*(2.0 * 0.97**i for i in range(100))), 0),
    "too early": (_curve(2.0, 1.9, 1.8), 0),
    "too little recorded": (_without_a_training_loss, 3),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for each word, called after it."""
    made = tmp_path_factory.mktemp("words")
    for word, (write, _) in WORDS.items():
        with SummaryWriter(made / "runs" / word) as writer:
            write(writer)
    return made


@pytest.mark.parametrize("word", WORDS)
def test_the_command_line_says_it_and_ends_by_it(
    folder: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["check", str(folder / "runs" / word), "--format", "json"])
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert (run["status"], code) == (word, WORDS[word][1])


def test_python_and_the_tab_say_the_same(folder: Path) -> None:
    words = {word: word for word in WORDS}
    assert {
        run.name: run.status for run in tb_lossdiag.diagnose(str(folder / "runs")).runs
    } == words
    assert main(["export", str(folder / "runs"), str(folder / "site")]) == 0
    text = (folder / "site" / "data" / "main.js").read_text("utf-8")
    (told,) = re.findall(r"^lossdiagAnswers\((.*)\);$", text, re.MULTILINE)
    overview = next(e[3] for e in json.loads(told) if e[0] == "runs" and e[1]["lang"] == "en")
    assert {row["run"]: row["status"] for row in json.loads(overview)["runs"]} == words
