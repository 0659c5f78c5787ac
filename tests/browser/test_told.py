"""The page shows what the server says: comparisons, accepted findings with their reason, a configuration that is not used, restarts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import expect

from helpers.written_runs import write_run
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import LOSS, LOSS_NONFINITE
from tb_lossdiag.records import table

Open = Callable[[str], Any]
Serve = Callable[..., str]
STEPS = 200
SUPPRESS = """
[[suppress]]
code = "LD101"
run = "fast"
reason = "a test of the page"
"""


def _write(folder: Path, broken: int) -> None:
    """A run whose loss is not a number from a step on."""
    steps = np.arange(STEPS)
    loss = np.where(steps < broken, 1 + np.random.default_rng(broken).random(STEPS), np.nan)
    write_run(folder, [table(LOSS, steps, loss), table(LOSS_NONFINITE, steps, steps >= broken)])


def test_a_comparison_is_the_servers(open_tab: Open, serve: Serve, tmp_path: Path) -> None:
    _write(tmp_path / "fast", 100)
    _write(tmp_path / "slow", STEPS)
    frame = open_tab(serve(tmp_path)).open(run="fast", view="compare", cmp="slow")
    expect(frame.get_by_role("heading", name="Fixed in B")).to_be_visible()
    expect(frame.get_by_text("LD101").first).to_be_visible()
    curves = frame.get_by_role("table").filter(has_text="Beyond noise from")
    expect(curves.get_by_role("rowheader", name="training loss", exact=True)).to_be_visible()
    expect(curves.get_by_role("row").nth(1).get_by_role("cell")).to_have_text(
        ["0", "100", re.compile(r"^1\.\d+$"), re.compile(r"^1\.\d+$")]
    )


def test_accepted_findings_stand_in_the_list_with_their_reason(
    open_tab: Open, serve: Serve, tmp_path: Path
) -> None:
    _write(tmp_path / "fast", 100)
    (tmp_path / "lossdiag.toml").write_text(SUPPRESS, "utf-8")
    frame = open_tab(serve(tmp_path)).open(run="fast", view="findings")
    frame.get_by_text("Accepted (1)").click()
    expect(frame.get_by_text("Reason: a test of the page")).to_be_visible()


def test_a_configuration_that_is_not_used_is_said_on_the_overview(
    open_tab: Open, serve: Serve, tmp_path: Path
) -> None:
    _write(tmp_path / "fast", 100)
    (tmp_path / "lossdiag.toml").write_text("[thresholds]\nLD101.nothing = 3\n", "utf-8")
    frame = open_tab(serve(tmp_path)).open(run="fast", view="overview")
    expect(frame.get_by_text("The configuration is not used")).to_contain_text("lossdiag.toml")


def test_a_restart_is_said_with_what_it_hides(open_tab: Open, serve: Serve, tmp_path: Path) -> None:
    for first in (0, 30):
        with SummaryWriter(tmp_path / "run") as writer:
            for step in range(first, first + 40):
                writer.add_diagnostics(loss=1.0 / (1 + step), global_step=step)
    frame = open_tab(serve(tmp_path)).open(run="run", view="overview")
    expect(frame.get_by_text("resumed at step 30 (")).to_contain_text("hidden")
