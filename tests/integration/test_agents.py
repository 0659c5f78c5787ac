"""What coding agents are told of runs, asked as they ask: by the protocol, of the command in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from helpers.plain_scalars import diverging, falling, turning, write
from tb_lossdiag.agents.tools import Tools
from tb_lossdiag.checking.report import diagnose_run
from tb_lossdiag.cli import main
from tb_lossdiag.config import all_rules
from tb_lossdiag.manual import CHAPTERS, llms


@pytest.fixture
def logdir(tmp_path: Path) -> Path:
    runs = tmp_path / "runs"
    write(runs / "good", {"train/loss": falling(200), "val/loss": falling(200)})
    write(runs / "over", {"train/loss": falling(60), "val/loss": turning(60)})
    write(runs / "div", {"train/loss": diverging(100)})
    return runs


async def _asked(logdir: Path) -> tuple[list[Any], dict[str, Any]]:
    from mcp import Client, StdioServerParameters  # noqa: PLC0415

    command = StdioServerParameters(
        command=sys.executable, args=["-m", "tb_lossdiag.cli", "mcp", str(logdir)]
    )
    questions = {
        "runs": {},
        "check": {"run": "div"},
        "explain": {"code": "clip-after-step"},
        "compare": {"run_a": "good", "run_b": "div"},
        "nobody": {},
        "outside": {"run": "../../elsewhere"},
    }
    tools = {"nobody": "check", "outside": "check"}
    questions["nobody"] = {"run": "nobody"}
    async with Client(command) as client:
        listed = (await client.list_tools()).tools
        answers = {
            name: await client.call_tool(tools.get(name, name), given)
            for name, given in questions.items()
        }
    return list(listed), answers


def text(answer: Any) -> str:
    return "\n".join(part.text for part in answer.content)


def test_an_agent_finds_the_sick_run_and_what_to_do(logdir: Path) -> None:
    pytest.importorskip("mcp", reason="the extra `mcp`")
    write(logdir.parent.parent / "elsewhere", {"train/loss": diverging(100)})
    with ThreadPoolExecutor(1) as elsewhere:  # a browser's tests leave this thread a loop that runs
        listed, answers = elsewhere.submit(lambda: asyncio.run(_asked(logdir))).result()
    assert {tool.name for tool in listed} == {"runs", "check", "explain", "compare"}
    assert all(tool.description and tool.annotations.read_only_hint for tool in listed)
    rows = [json.loads(part.text) for part in answers["runs"].content]
    first = rows[0][0] if isinstance(rows[0], list) else rows[0]
    assert (first["run"], first["causes"]) == ("div", ["LD102"])
    assert "LD102" in text(answers["check"])
    assert "LD302" in text(answers["explain"])
    assert "LD102" in text(answers["compare"])
    for name in ("nobody", "outside"):
        assert answers[name].is_error, answers[name]
    assert "no run 'nobody'" in text(answers["nobody"])


def test_one_run_is_judged_without_the_others(logdir: Path) -> None:
    (judged,) = diagnose_run(str(logdir), "div")
    assert judged.name == "div"
    assert "LD102" in Tools(str(logdir)).check("div")
    write(logdir.parent.parent / "elsewhere", {"train/loss": diverging(100)})
    for name in ("nobody", "../../elsewhere", str(logdir / "div")):
        with pytest.raises(ValueError, match="no run"):
            Tools(str(logdir)).check(name)


def test_without_the_package_the_extra_is_named(
    logdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    assert main(["mcp", str(logdir)]) == 2
    assert "pip install 'tb-lossdiag[mcp]'" in capsys.readouterr().err
    assert main(["mcp", str(logdir / "nothing")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_llms_txt_names_every_page_and_rule() -> None:
    told = llms()
    assert told.startswith("# Loss Doctor\n\n> ")
    assert all(f"[{rule.code} " in told for rule in all_rules())
    assert all(f"/{name}.html" in told for _, pages in CHAPTERS.values() for name in pages)
