"""The command line on real event files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from helpers.tiny_trainings import record
from tb_lossdiag import SummaryWriter
from tb_lossdiag.cli import main
from tb_lossdiag.rules import RULES

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy and a sick run."""
    folder = tmp_path_factory.mktemp("runs")
    record(folder / "good", range(60))
    with SummaryWriter(folder / "nan") as writer:
        for step in range(30):
            writer.add_diagnostics(loss=1.0 if step < 20 else float("nan"), global_step=step)
    return folder


def test_text_names_cause_step_and_advice(logdir: Path, capsys: Capture) -> None:
    assert main(["check", str(logdir)]) == 1
    out = capsys.readouterr().out
    assert "LD101" in out
    assert "20" in out
    assert out.endswith("more on a rule, with or without a network: tb-lossdiag docs LD101\n")


def test_where_nothing_was_found_no_page_is_named(logdir: Path, capsys: Capture) -> None:
    assert main(["check", str(logdir), "--select", "LD3", "--lang", "zh-CN"]) == 0
    assert "tb-lossdiag docs" not in capsys.readouterr().out
    main(["check", str(logdir), "--select", "LD101", "--lang", "zh-CN"])
    assert "tb-lossdiag docs LD101 --lang zh-CN\n" in capsys.readouterr().out


def test_json_is_one_document(logdir: Path, capsys: Capture) -> None:
    main(["check", str(logdir), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    by_run = {run["run"]: run for run in document["runs"]}
    assert by_run["nan"]["findings"][0]["first_step"] == 20
    assert {o["outcome"] for o in by_run["nan"]["outcomes"]} >= {"findings", "not evaluated"}
    assert all(o["missing"] for o in by_run["nan"]["outcomes"] if o["code"] == "LD401")


def test_markdown_has_a_heading_per_run(logdir: Path, capsys: Capture) -> None:
    main(["check", str(logdir), "--format", "markdown", "--lang", "zh-CN"])
    assert "# nan：严重故障" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--select", "LD101"], 1),
        (["--select", "LD3,LD4"], 0),
        (["--ignore", "LD1"], 0),
        (["--fail-on", "never"], 0),
        (["--select", "LD101", "--fail-on", "error"], 1),
    ],
)
def test_exit_codes(logdir: Path, capsys: Capture, options: list[str], code: int) -> None:
    assert main(["check", str(logdir), *options]) == code
    capsys.readouterr()


def test_a_run_without_a_loss_is_no_success(tmp_path: Path, capsys: Capture) -> None:
    model = torch.nn.Linear(2, 1)
    with SummaryWriter(tmp_path) as writer:
        for step in range(20):
            model(torch.ones(1, 2)).sum().backward()
            writer.add_diagnostics(model, global_step=step)
    assert main(["check", str(tmp_path)]) == 3
    assert "add_diagnostics(loss=…)" in capsys.readouterr().out
    assert main(["check", str(tmp_path), "--fail-on", "never"]) == 0
    assert main(["check", str(tmp_path), "--select", "LD2"]) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "/no/such/folder"], "no such folder"),
        (["check", __file__], "not a folder"),
        (["check", "."], "no Loss Doctor records"),
        (["check", ".", "--select", "XY9"], "XY9"),
        (["check", ".", "--set", "LD201"], "LD201"),
        (["check", ".", "--set", "LD999.x=1"], "LD999"),
        (["check", ".", "--set", "LD201.nothing=1"], "nothing"),
        (["explain", "LD000"], "LD000"),
    ],
)
def test_what_cannot_run_exits_with_two_and_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_threshold_that_is_no_number_is_refused(capsys: Capture) -> None:
    field = next(name for name in vars(RULES[0]))
    assert main(["check", ".", "--set", f"{RULES[0].code}.{field}=many"]) == 2
    assert "many" in capsys.readouterr().err


def test_every_rule_explains_itself_in_both_languages(capsys: Capture) -> None:
    for rule in RULES:
        assert main(["explain", rule.code]) == 0
        assert rule.name in capsys.readouterr().out
        assert main(["explain", rule.name, "--lang", "zh-CN"]) == 0
        assert "参考" in capsys.readouterr().out
    assert main(["rules"]) == 0
    assert RULES[-1].code in capsys.readouterr().out
