"""The real clients of other services, offline, hear of a training that breaks: each once when it appears, once when it clears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.live.hearers import Hearers
from tb_lossdiag.live.report import LiveFinding

pytestmark = pytest.mark.filterwarnings("default")  # theirs, of themselves


def both(wanted: Any) -> None:
    """Appear and clear."""
    hear = Hearers(wanted, "vae", "en")
    finding = Finding(
        "LD102",
        Severity.ERROR,
        "kl",
        (Evidence("loss", "", 3, 9),),
        Text("it diverges"),
        Text("Do this."),
    )
    hear(LiveFinding(finding, 12, "appeared"))
    hear.finish()
    hear(LiveFinding(finding, 40, "cleared"))
    hear.finish()


def breaks(folder: Path, wanted: Any) -> None:
    """A training whose loss stops being finite."""
    import torch  # noqa: PLC0415

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer, on_finding=wanted)
        for step in range(30):
            optimizer.zero_grad()
            loss = model(torch.ones(4, 2)).square().mean() * (float("nan") if step > 20 else 1.0)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()


@pytest.mark.parametrize("given", ["name", "object"])
def test_mlflow(tmp_path: Path, given: str) -> None:
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_experiment("vae")
    with mlflow.start_run() as run:
        both("mlflow" if given == "name" else run)
        breaks(tmp_path / "runs", "mlflow")
    tags = mlflow.get_run(run.info.run_id).data.tags
    assert "LD102 cleared" in tags["lossdiag.LD102.kl"]
    assert "LD101 error" in tags["lossdiag.LD101"]
    with pytest.warns(RuntimeWarning, match="could not tell MLflow .*start_run"):
        both("mlflow")


@pytest.mark.parametrize("given", ["name", "object"])
def test_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio")
    run = trackio.init(project="vae")
    heard: list[tuple[str, str]] = []
    real = type(run).alert

    def alert(self: Any, **words: Any) -> None:
        real(self, **words)
        heard.append((words["title"], words["level"].value))

    monkeypatch.setattr(type(run), "alert", alert)
    both("trackio" if given == "name" else run)
    breaks(tmp_path / "runs", "trackio")
    trackio.finish()
    assert heard[:2] == [("LD102 appeared: vae", "error"), ("LD102 cleared: vae", "info")]
    assert ("LD101 appeared: runs", "error") in heard


@pytest.mark.parametrize("given", ["name", "object"])
def test_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    wandb = pytest.importorskip("wandb")
    run = wandb.init(project="vae", mode="offline", dir=str(tmp_path))
    heard: list[tuple[str, str]] = []
    real = type(run).alert

    def alert(self: Any, title: str, text: str, level: str, wait_duration: float) -> None:
        real(self, title, text, level=level, wait_duration=wait_duration)
        heard.append((title, level))

    monkeypatch.setattr(type(run), "alert", alert)
    both("wandb" if given == "name" else run)
    breaks(tmp_path / "runs", "wandb")
    run.finish()
    assert heard[:2] == [("LD102 appeared: vae", "ERROR"), ("LD102 cleared: vae", "INFO")]
    assert ("LD101 appeared: runs", "ERROR") in heard
