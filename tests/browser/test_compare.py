"""Runs beside each other, aligned by their steps, their clocks, or what they have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Frame, expect

from helpers.written_runs import write_run
from tb_lossdiag.quantities import EXTRA, GRADIENT_NORM, LOSS, LOSS_NONFINITE
from tb_lossdiag.records import table

Open = Callable[[str], Any]
Serve = Callable[..., str]
STEPS = 400


def write(folder: Path, broken: int, seconds_per_step: float) -> None:
    """A run whose loss is 1000 and then NaN from a step on."""
    steps = np.arange(STEPS)
    rng = np.random.default_rng(broken)
    loss = np.where(steps < broken, 1 + rng.random(STEPS), np.nan)
    loss[broken - 1] = 1000
    norms = rng.lognormal(0, 0.2, (STEPS, 4))
    tables = [
        table(LOSS, steps, loss),
        table(LOSS_NONFINITE, steps, steps >= broken),
        table(GRADIENT_NORM, steps, norms, [f"layer{i}" for i in range(4)]),
    ]
    write_run(folder, tables, seconds_per_step=seconds_per_step)


@pytest.fixture
def paces(open_tab: Open, serve: Serve, tmp_path: Path) -> Any:
    """A tab on a run that breaks early and goes fast, and one that breaks late and goes slowly."""
    write(tmp_path / "fast", 100, 1.0)
    write(tmp_path / "slow", 300, 10.0)
    return open_tab(serve(tmp_path))


def peaks(frame: Frame) -> list[str]:
    """Where the largest loss of each of two runs is, in the words of the chart, once both are there."""
    said = re.compile("largest 1,000.*largest 1,000", re.DOTALL)
    text = frame.locator(".unseen", has_text=said).first
    expect(text).to_be_attached()
    return re.findall(r"largest 1,000 at ([^.]*)\.", text.inner_text())


def test_what_the_runs_are_aligned_by_is_chosen_and_kept_in_the_link(paces: Any) -> None:
    frame = paces.open(run="fast", view="compare", cmp="slow", x="20-360")
    assert peaks(frame) == ["step 99", "step 299"]
    align = frame.get_by_label("Align by")
    align.select_option("time")
    expect(frame.locator(".unseen", has_text="at 0:01:39 after the start").first).to_be_attached()
    assert peaks(frame) == ["0:01:39 after the start", "0:49:50 after the start"]
    expect(frame.get_by_label("First step in view")).to_have_count(0)
    align.select_option("finding")
    expect(align.locator("option:checked")).to_contain_text("finding A#1: LD101")
    expect(frame.locator(".unseen", has_text="from the finding").first).to_be_attached()
    assert peaks(frame) == ["-1 steps from the finding"] * 2
    assert "p.lossdiag.align=finding" in paces.page.evaluate("location.hash")
    frame.get_by_role("navigation").get_by_role("link", name="Clipping").click()
    expect(frame.get_by_label("First step in view")).to_have_value("20")


def test_a_zoom_in_times_shows_the_same_times_of_both_runs(paces: Any) -> None:
    frame = paces.open(run="fast", view="compare", cmp="slow", align="time")
    asked: list[str] = []
    board = frame.get_by_role("application").first
    expect(frame.locator(".unseen", has_text="after the start").first).to_be_attached()
    paces.page.on("request", lambda request: asked.append(request.url))
    board.focus()
    for _ in range(3):
        paces.page.keyboard.press("+")
    frame.wait_for_timeout(1000)
    ranges = {
        re.findall(r"run=(\w+)", url)[0]: tuple(map(int, re.findall(r"(?:first|last)=(\d+)", url)))
        for url in asked
        if "quantity=loss" in url
    }
    assert ranges["fast"][1] == STEPS - 1
    assert ranges["slow"][1] < STEPS / 3
    assert "lossdiag.x=" not in paces.page.evaluate("location.hash")
    frame.get_by_role("button", name="Show all", exact=True).click()
    expect(frame.get_by_role("button", name="Show all", exact=True)).to_have_count(0)


def test_a_finding_is_offered_only_where_all_runs_have_it(
    open_tab: Open, serve: Serve, tmp_path: Path
) -> None:
    write(tmp_path / "sick", 100, 1.0)
    steps = np.arange(STEPS)
    write_run(tmp_path / "well", [table(LOSS, steps, np.exp(-steps / 100) + 0.1)])
    frame = open_tab(serve(tmp_path)).open(run="sick", view="compare", cmp="well", align="finding")
    options = frame.get_by_label("Align by").locator("option")
    expect(options).to_have_text(["step", "time since each run's start"])
    expect(frame.get_by_label("Align by")).to_have_value("step")
    expect(frame.get_by_label("First step in view")).to_be_visible()


def test_runs_with_unlike_numbers_of_steps_meet_by_their_epochs(
    open_tab: Open, serve: Serve, tmp_path: Path
) -> None:
    for name, records in (("long", 300), ("short", 60)):
        steps = np.arange(records)
        epochs = np.floor(3 * steps / records)
        loss = np.where(steps == records // 2, 1000, np.exp(-epochs))
        tables = [table(LOSS, steps, loss), table(EXTRA, steps, epochs, ["epoch"])]
        write_run(tmp_path / name, tables)
    frame = open_tab(serve(tmp_path)).open(run="long", view="compare", cmp="short")
    assert peaks(frame) == ["step 150", "step 30"]
    align = frame.get_by_label("Align by")
    align.select_option("epoch")
    expect(frame.locator(".unseen", has_text="at epoch 1.5").first).to_be_attached()
    assert frame.locator(".unseen").first.inner_text().count("largest 1,000 at epoch 1.5") == 2
    assert "tokens" not in align.inner_text()
