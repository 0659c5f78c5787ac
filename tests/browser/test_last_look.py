"""What a last look at every page found, each by what is read or seen there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from helpers.axe import faults, settle
from helpers.tensorboard_process import serving
from helpers.written_runs import write_run
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.records import table

Open = Callable[[str], Any]
_SWATCHES = """() => Object.fromEntries([...document.querySelectorAll(".run-color-swatch")].map((swatch) => [
  swatch.closest("tb-data-table-content-row, tr, [role=row]").innerText.trim(),
  getComputedStyle(swatch).backgroundColor,
]))"""
"""The colour of each run in TensorBoard's own list."""


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on a run that was closed and one of which nothing is heard any more."""
    logdir = tmp_path_factory.mktemp("lives")
    with SummaryWriter(logdir / "closed") as writer:
        for step in range(60):
            writer.add_diagnostics(loss=1 + float(np.exp(-step / 20)), global_step=step)
    at = np.arange(60)
    write_run(logdir / "silent", [table(LOSS, at, 1 + np.exp(-at / 20))], began=time.time() - 3600)
    with serving(str(logdir), strict=True) as base:
        yield base


def test_a_run_that_was_closed_ended_and_of_a_silent_one_no_more_is_said(
    open_tab: Open, lives: str
) -> None:
    """U45: neither is called finished or hanging without a record of it."""
    tab = open_tab(lives)
    frame = tab.open(run="closed")
    expect(frame.locator(".one-run > h2")).to_contain_text("ended, last record at")
    expect(frame.locator(".age")).to_contain_text("ended, last record")
    frame = tab.open(run="silent", lang="zh-CN")
    expect(frame.locator(".age")).to_contain_text("没有结束标记")
    frame = tab.open(run="silent")
    expect(frame.locator(".one-run > h2")).to_contain_text("silent since")
    expect(frame.locator(".one-run > h2")).to_contain_text("no end recorded")


def test_a_group_of_one_run_is_called_so(open_tab: Open, lives: str) -> None:
    frame = open_tab(lives).open(group="cause")
    expect(frame.locator(".group-count").first).to_have_text("2 runs")
    frame.get_by_placeholder("filter runs").fill("silent")
    expect(frame.locator(".group-count").first).to_have_text("1 run")


def test_a_narrow_map_is_as_wide_as_the_page(made: Any) -> None:
    """U46: names stand above the rows, so that cells begin where the page does."""
    made.page.set_viewport_size({"width": 420, "height": 900})
    frame = made.open(run="sick", view="gradients")
    board = frame.locator(".heat canvas").first
    expect(board).to_be_visible()
    box = board.bounding_box()
    assert box["height"] > 26 * 29
    frame.locator(".heat").first.scroll_into_view_if_needed()
    board.hover(position={"x": 60, "y": box["height"] / 2})
    expect(frame.locator(".readout")).to_contain_text("blocks.")
    expect(frame.locator(".readout")).to_contain_text("step 2")
    settle(frame)
    assert faults(frame) == []
    assert frame.evaluate("document.documentElement.scrollWidth") <= 420


def test_compared_runs_have_tensorboards_own_colours_and_one_legend(tab: Any) -> None:
    """U21, and a feature of section 3: a run is known again from tab to tab."""
    tab.page.goto(f"{tab.address}/#timeseries")
    tab.page.locator(".run-color-swatch").nth(7).wait_for()
    theirs = tab.page.evaluate(_SWATCHES)
    frame = tab.open(run="deep_sigmoid", view="compare", cmp="healthy")
    legend = frame.get_by_role("list", name="Colours of the runs")
    expect(legend.get_by_role("listitem")).to_have_text(["A deep_sigmoid", "B healthy"])
    for place, run in enumerate(("deep_sigmoid", "healthy")):
        letter = legend.locator(".run-colour").nth(place)
        expect(letter).to_have_css("border-bottom-color", theirs[run])


def test_the_fact_sheet_is_chinese_to_its_last_quantity(tab: Any) -> None:
    """U20: what was set comes first, and curves are called by their names."""
    frame = tab.open(run="learning_rate_too_high", view="compare", cmp="healthy", lang="zh-CN")
    facts = frame.locator("table").first
    expect(facts).to_contain_text("学习率 · group 0 · 最高")
    folded = frame.locator("details", has_text="没有分开的曲线")
    folded.locator("summary").click()
    expect(folded.locator("th[scope=row]").nth(10)).to_be_visible()
    names = folded.locator("th[scope=row]").all_inner_texts()
    assert [name for name in names if name.isascii() and name != "beta2"] == []


def test_a_run_without_findings_shows_what_was_looked_for(tab: Any) -> None:
    frame = tab.open(run="healthy", view="findings")
    passed = frame.locator("details.outcomes").first
    expect(passed).to_have_attribute("open", "")
    expect(passed.get_by_role("heading", name="Loss curve")).to_be_in_viewport()
    expect(frame.get_by_text("No problems found in steps")).to_be_visible()
