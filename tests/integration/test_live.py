"""Judging while a real training runs: what is said, when, what is recorded of it, and that the training stays the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from helpers.tiny_trainings import read
from tb_lossdiag import LiveFinding, SummaryWriter, TrainingStopped
from tb_lossdiag.cli import main
from tb_lossdiag.collect.watch.calm_steps import CalmSteps
from tb_lossdiag.collect.watch.step_gradients import StepGradients

NAN = float("nan")


def batches(steps: Iterable[int], noise: float = 1.0) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Classes that a small network learns, never quite."""
    generator = torch.Generator().manual_seed(1)
    centres = torch.randn(3, 6, generator=generator)
    for step in steps:
        y = torch.randint(3, (32,), generator=generator)
        yield step, centres[y] + noise * torch.randn(32, 6, generator=generator), y


class Training:
    """A small network, watched.

    Attributes:
        heard: what was said, with the step that was going on.
        step: the step that is going on.
    """

    def __init__(self, writer: SummaryWriter, **watch: Any) -> None:
        torch.manual_seed(0)
        self.writer = writer
        self.heard: list[tuple[int, LiveFinding]] = []
        self.step = -1
        self.model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=3e-3)
        if "stop_on" not in watch:
            watch = {"on_finding": self.hear, **watch}
        writer.watch(self.model, self.optimizer, **watch)

    def hear(self, found: LiveFinding) -> None:
        self.heard.append((self.step, found))

    def judge_at_will(self) -> None:
        """Judge as if it took no time, so that it doesn't depend on the machine when."""
        live: Any = self.writer._diagnostics.host.outlet.live
        live._pace._clock = lambda: 0.0

    def of(self, code: str) -> list[tuple[int, LiveFinding]]:
        return [(step, found) for step, found in self.heard if found.finding.code == code]

    def run(self, steps: Iterable[int], *, broken: int = -1, late: bool = False) -> Training:
        for step, x, y in batches(steps):
            self.step = step
            self.take(cross_entropy(self.model(x * NAN if step == broken else x), y), late=late)
        return self

    def take(self, loss: Tensor, *, late: bool = False, said: bool = True) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        if late:
            self.optimizer.step()
        self.writer.add_diagnostics(loss=loss if said else NAN, global_step=self.step)
        if not late:
            self.optimizer.step()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("broken", [3, 100])
def test_a_nan_is_said_within_one_record(tmp_path: Path, broken: int, late: bool) -> None:
    with SummaryWriter(tmp_path) as writer:
        training = Training(writer).run(range(120), broken=broken, late=late)
    ((at, said),) = training.of("LD101")
    assert at == broken + 1
    assert said.step == broken
    assert f"NaN at step {broken}" in said.finding.message.en


@pytest.mark.parametrize("late", [False, True])
def test_a_loss_that_is_no_number_is_said_although_the_steps_are_calm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    calm = list[int]()
    plain = CalmSteps.begin

    def counted(self: CalmSteps, *given: Any) -> bool:
        if found := plain(self, *given):
            calm.append(training.step)
        return found

    monkeypatch.setattr(CalmSteps, "begin", counted)
    with SummaryWriter(tmp_path) as writer:
        training = Training(writer, check_up=False)
        writer._recorder.cadence.window = 1000
        for step, x, y in batches(range(120)):
            training.step = step
            training.take(cross_entropy(training.model(x), y), late=late, said=step != 100)
    assert len(calm) > 80
    ((at, found),) = training.of("LD101")
    assert at == 101
    assert "step 100" in found.finding.message.en


def test_a_nan_ends_a_window_that_has_grown(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        training = Training(writer)
        writer._recorder.cadence.window = 1000
        training.run(range(40), broken=30)
    ((at, _),) = training.of("LD101")
    assert at == 31
    run = read(tmp_path)
    assert run.tables["steps"].steps.tolist() == [30, 39]
    assert run.tables["steps"].values[:, 0].tolist() == [31.0, 9.0]


def test_a_nan_that_a_device_keeps_to_itself_is_said_when_its_steps_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StepGradients, "_at_hand", lambda *_: False)  # as on a GPU
    with SummaryWriter(tmp_path) as writer:
        training = Training(writer)
        writer._recorder.cadence.window = 1000
        training.run(range(100), broken=30)
    ((at, found),) = training.of("LD101")
    assert 31 <= at < 30 + 64
    assert "NaN at step 30" in found.finding.message.en


def test_a_training_that_diverges_is_stopped(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        training = Training(writer, on_finding=lambda _: None, stop_on="error")
        training.optimizer.param_groups[0]["lr"] = 10.0
        with pytest.raises(TrainingStopped, match=r"LD\d+ at step \d+: .* first: ") as stop:
            diverge(training)
    assert stop.value.reported is not None
    code, step = stop.value.reported.finding.code, stop.value.reported.step
    said = [one for one in read(tmp_path).reported if one.code == code]
    assert [(one.severity, one.step, one.cleared) for one in said] == [("error", step, False)]


def diverge(training: Training) -> None:
    for step, x, y in batches(range(20_000)):
        training.step = step
        loss = mse_loss(training.model(x), (1.01**step * y)[:, None].expand(-1, 3).float())
        training.take(loss)


def test_a_healthy_training_hears_nothing_and_stays_the_same(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "live") as writer:
        live = Training(writer, stop_on="warning", on_finding=pytest.fail).run(range(300))
    with SummaryWriter(tmp_path / "plain") as writer:
        plain = Training(writer, on_finding=None).run(range(300))
    for a, b in zip(live.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert read(tmp_path / "live").reported == ()


def test_what_clears_is_said_once_and_both_moments_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lossdiag.toml").write_text('select = ["LD204"]\n')
    with SummaryWriter(tmp_path / "run") as writer:
        training = Training(writer)
        training.judge_at_will()
        model = training.model
        for step, x, y in batches(range(250)):
            hidden = model[1](model[0](x))
            training.step = step
            training.take(cross_entropy(model[2](hidden.detach() if step < 100 else hidden), y))
    states = [(found.finding.subject, found.state) for _, found in training.heard]
    assert states == [("0.*", "appeared"), ("0.*", "cleared")]
    first, last = (found.step for _, found in training.heard)
    assert first < 100 < last
    main(["check", str(tmp_path)])
    shown = " ".join(capsys.readouterr().out.split())
    gone = f"LD204 0.* reported live: at step {first}, cleared at step {last}"
    assert f"Reported live, no longer found: {gone}" in shown


def test_print_says_one_line_each_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SummaryWriter(tmp_path) as writer:
        Training(writer, on_finding="print").run(range(15), broken=10)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert sum(line.startswith("Loss Doctor, step 10: LD101 error: ") for line in lines) == 1
    assert all(line.startswith("Loss Doctor, step 1") for line in lines)


def test_stopping_alone_prints_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SummaryWriter(tmp_path) as writer:
        training = Training(writer, stop_on="error")
        with pytest.raises(TrainingStopped):
            training.run(range(15), broken=10)
    assert training.step == 11
    assert "LD101 error" in capsys.readouterr().err
    assert torch._C._len_torch_function_stack() == 0


@pytest.mark.parametrize("resume", [5, 40])
def test_a_resumed_run_keeps_what_was_said_before_it(tmp_path: Path, resume: int) -> None:
    with SummaryWriter(tmp_path) as writer:
        before = Training(writer).run(range(40), broken=20)
    with SummaryWriter(tmp_path) as writer:
        after = Training(writer).run(range(resume, 80))
    assert [found.step for _, found in before.of("LD101")] == [20]
    assert after.of("LD101") == []
    said = [one.step for one in read(tmp_path).reported if one.code == "LD101"]
    assert said == ([20] if resume > 20 else [])


def test_the_command_line_tells_the_moment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        Training(writer).run(range(60), broken=12)
    outputs = {}
    for form in ("text", "markdown", "json"):
        main(["check", str(tmp_path), "--format", form])
        outputs[form] = " ".join(capsys.readouterr().out.split())
    assert "reported live: at step 12" in outputs["text"]
    assert "reported live: at step 12" in outputs["markdown"]
    (run,) = json.loads(outputs["json"])["runs"]
    (found,) = [one for one in run["findings"] if one["code"] == "LD101"]
    (moment,) = found["reported"]
    assert (moment["step"], moment["state"], moment["severity"]) == (12, "appeared", "error")
    assert {"code": "LD101", "subject": "", **moment} in run["reported"]


@pytest.mark.parametrize("before", [0, 30])
def test_records_from_before_it_was_asked_for_do_not_disturb(tmp_path: Path, before: int) -> None:
    with SummaryWriter(tmp_path) as writer:
        Training(writer, on_finding=None).run(range(before))
        training = Training(writer, name="again").run(range(before, before + 40), broken=before + 9)
    ((_, said),) = training.of("LD101")
    assert said.step == before + 9


def test_wrong_arguments_leave_nothing_watched(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match="stop_on"):
            Training(writer, stop_on="info")
        with pytest.raises(ValueError, match="on_finding"):
            Training(writer, on_finding="log")
        Training(writer)  # the name is still free


def test_the_rules_are_imported_only_by_who_judges() -> None:
    program = """
import sys, tempfile, torch
from tb_lossdiag import SummaryWriter
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with SummaryWriter(tempfile.mkdtemp()) as writer:
    writer.watch(model, optimizer)
    assert not any(name.startswith("tb_lossdiag.rules") for name in sys.modules)
    writer.watch(model, optimizer, name="again", stop_on="error")
    assert "tb_lossdiag.rules" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
