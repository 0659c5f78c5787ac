"""Runs that are going on, from outside: what appears, what clears, what is stuck, and who hears of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from torch.utils.tensorboard import SummaryWriter as Plain

import tb_lossdiag
from helpers.plain_scalars import diverging, falling
from helpers.tiny_trainings import backward, model
from tb_lossdiag.checking.places import Place
from tb_lossdiag.cli import main
from tb_lossdiag.config import Settings
from tb_lossdiag.process.job import job
from tb_lossdiag.watching import otel
from tb_lossdiag.watching.gauges import points
from tb_lossdiag.watching.oversight import Oversight

Capture = pytest.CaptureFixture[str]
MINUTE = 60.0


def curve(folder: Path, losses: list[float], begin: int = 0, at: float | None = None) -> None:
    with Plain(str(folder)) as writer:
        for step, loss in enumerate(losses, begin):
            writer.add_scalar("train/loss", loss, step, walltime=at or time.time())


def oversight(folder: Path, minutes: float = 10) -> Oversight:
    return Oversight([Place(str(folder))], Settings(), minutes * MINUTE)


def told(watched: Oversight, later: float = 0) -> list[tuple[str, str, str]]:
    return [(e.event, e.run, e.code) for e in watched.look(time.time() + later)]


def test_findings_appear_once_and_only_what_changed_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve(tmp_path / "a", falling(60))
    curve(tmp_path / "b", falling(60))
    watched = oversight(tmp_path)
    assert told(watched) == []
    curve(tmp_path / "b", diverging(100)[30:], 60)
    assert told(watched) == [("appeared", "b", "LD102")]
    from tb_lossdiag.watching import oversight as module  # noqa: PLC0415

    monkeypatch.delattr(module, "judge")
    assert told(watched) == []


def test_what_clears_is_said(tmp_path: Path) -> None:
    curve(tmp_path / "a", diverging(100))
    watched = oversight(tmp_path)
    assert told(watched) == [("appeared", "a", "LD102")]
    for file in (tmp_path / "a").iterdir():
        file.unlink()
    curve(tmp_path / "a", falling(100))
    assert told(watched) == [("cleared", "a", "LD102")]


def test_a_run_is_stuck_goes_on_and_ends(tmp_path: Path) -> None:
    net, writer = model(), tb_lossdiag.SummaryWriter(tmp_path / "a")
    watched = oversight(tmp_path)
    with writer:
        for step in range(20):
            writer.add_diagnostics(net, loss=backward(net, step), global_step=step)
        writer.flush()
        assert told(watched) == []
        assert told(watched, 11 * MINUTE) == [("stuck", "a", "")]
        assert told(watched, 12 * MINUTE) == []
        assert watched.runs[0].stuck
        for step in range(20, 40):
            writer.add_diagnostics(net, loss=backward(net, step), global_step=step)
        writer.flush()
        assert ("moving", "a", "") in told(watched)
    assert ("ended", "a", "") in told(watched)
    assert told(watched, 60 * MINUTE) == []


def test_what_ended_long_ago_is_not_stuck(tmp_path: Path) -> None:
    curve(tmp_path / "old", falling(60), at=time.time() - 10_000)
    curve(tmp_path / "late", falling(60), at=time.time() - 700)
    assert told(oversight(tmp_path)) == [("stuck", "late", "")]


def test_the_command_looks_once(tmp_path: Path, capsys: Capture) -> None:
    curve(tmp_path / "runs" / "a", diverging(100))
    assert main(["watch", str(tmp_path / "runs"), "--once", "--format", "jsonl"]) == 1
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (event["event"], event["code"], event["severity"]) == ("appeared", "LD102", "error")
    assert main(["watch", str(tmp_path / "runs"), "--once", "--fail-on", "never"]) == 0
    assert "LD102" in capsys.readouterr().out
    known = tmp_path / "known.json"
    main(["check", str(tmp_path / "runs"), "--write-baseline", str(known)])
    lines = tmp_path / "lines"
    asked = ["watch", str(tmp_path / "runs"), "--once", "--lang", "zh-CN"]
    for _ in range(2):
        assert main([*asked, "--output", str(lines)]) == 1
    assert len(lines.read_text("utf-8").splitlines()) == 2
    assert main([*asked, "--baseline", str(known)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["watch", str(tmp_path / "nothing"), "--once"]) == 2


def test_it_ends_when_something_is_bad(tmp_path: Path, capsys: Capture) -> None:
    runs = tmp_path / "runs"
    curve(runs / "a", falling(60))
    later = threading.Timer(1.0, curve, (runs / "b", diverging(100)))
    later.start()
    assert main(["watch", str(runs), "--every", "0.2", "--until", "error"]) == 1
    later.join()
    assert "LD102" in capsys.readouterr().out


def test_gauges_are_few_and_layers_are_none_of_them(tmp_path: Path) -> None:
    net, writer = model(width=200), tb_lossdiag.SummaryWriter(tmp_path / "a")
    with writer:
        for step in range(30):
            loss = backward(net, step)
            writer.clip_grad_norm_(net.parameters(), 1e-6)
            writer.add_diagnostics(net, loss=loss, global_step=step)
    watched = oversight(tmp_path)
    watched.look(time.time())
    found = list(points(watched.runs, time.time()))
    assert {"info", "steps", "loss", "grad_norm", "clip_rate", "last_step_seconds"} <= {
        point.gauge for point in found
    }
    assert len(found) <= 100
    assert {name for point in found for name, _ in point.labels} <= {
        "run",
        "job",
        "code",
        "severity",
    }
    assert next(point.value for point in found if point.gauge == "clip_rate") == 1.0


def test_the_job_of_the_scheduler_is_a_fact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    with tb_lossdiag.SummaryWriter(tmp_path / "a") as writer:
        for step in range(60):
            writer.add_diagnostics(loss=falling(60)[step], global_step=step)
    facts = tb_lossdiag.diagnose(tmp_path)["a"].facts
    assert facts["slurm job"] == "4711"
    watched = oversight(tmp_path)
    watched.look(time.time())
    info = next(point for point in points(watched.runs, time.time()) if point.gauge == "info")
    assert dict(info.labels) == {"run": "a", "job": "slurm job 4711"}
    monkeypatch.delenv("SLURM_JOB_ID")
    with tb_lossdiag.SummaryWriter(tmp_path / "b") as writer:
        for step in range(60):
            writer.add_diagnostics(loss=falling(60)[step], global_step=step)
    assert "slurm job" not in tb_lossdiag.compare(tmp_path, "a", "b").facts
    assert job(
        {"TORCHELASTIC_RUN_ID": "x", "RAY_JOB_ID": "y", "KUBEFLOW_TRAINING_JOB_ID": "z"}
    ) == {
        "torchelastic run": "x",
        "ray job": "y",
        "kubeflow job": "z",
    }


def test_prometheus_fetches_the_gauges(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client", reason="the extra `prometheus`")
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    from tb_lossdiag.watching import prometheus  # noqa: PLC0415

    curve(tmp_path / 'odd "name"\n', diverging(100))
    watched = oversight(tmp_path)
    watched.look(time.time())
    port = prometheus.serve(watched, "0")
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = {f.name: f for f in text_string_to_metric_families(answer.read().decode())}
    (finding,) = families["lossdiag_findings"].samples
    assert finding.labels == {"run": 'odd "name"\n', "code": "LD102", "severity": "error"}
    (steps,) = families["lossdiag_steps"].samples
    assert steps.value == 100
    for address in ("nowhere", "host:", "127.0.0.1:http"):
        with pytest.raises(ValueError, match="PORT or HOST:PORT"):
            prometheus.serve(watched, address)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What an OpenTelemetry collector is sent over HTTP."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        yield received
        server.shutdown()
        thread.join()


def test_opentelemetry_sends_the_gauges(
    tmp_path: Path, collector: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `otel`")
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: PLC0415

    rounds: list[float] = []

    def counted(runs: Any, now: float) -> Any:
        rounds.append(now)
        return points(runs, now)

    monkeypatch.setattr(otel, "points", counted)
    curve(tmp_path / "a", diverging(100))
    assert main(["watch", str(tmp_path), "--once", "--otel"]) == 1
    assert len(rounds) == len(collector), "a round of gauges is made once"
    sent = metrics_service_pb2.ExportMetricsServiceRequest.FromString(collector[-1])
    metrics = {m.name: m for m in sent.resource_metrics[0].scope_metrics[0].metrics}
    (point,) = metrics["lossdiag_findings"].gauge.data_points
    labels = {pair.key: pair.value.string_value for pair in point.attributes}
    assert labels == {"run": "a", "code": "LD102", "severity": "error"}


def test_without_the_packages_the_extras_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    curve(tmp_path / "a", falling(60))
    for module, option in {
        "prometheus_client": ["--prometheus", "0"],
        "opentelemetry.metrics": ["--otel"],
        "opentelemetry.exporter.otlp.proto.http.metric_exporter": ["--otel"],
    }.items():
        monkeypatch.setitem(__import__("sys").modules, module, None)
        assert main(["watch", str(tmp_path), "--once", *option]) == 2
        assert "pip install 'tb-lossdiag[" in capsys.readouterr().err
