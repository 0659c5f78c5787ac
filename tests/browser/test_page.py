"""The page around the views: its bar, its lists of checks, what is muted, a server that is gone, a folder without runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from helpers.axe import faults, settle
from helpers.canvas_pixels import columns_of
from tb_lossdiag import SummaryWriter

Open = Callable[[str], Any]
INK = (31, 35, 40)
"""The text of charts."""


def test_checks_are_told_by_title_and_by_what_they_lack(made: Any) -> None:
    """U33: no slugs, no internal names, no English in Chinese."""
    frame = made.open(run="sick", view="overview")
    frame.get_by_text(re.compile(r"Checks passed \(\d+\)")).click()
    passed = frame.locator("details.outcomes[open]")
    expect(passed.get_by_role("heading", name="Loss curve")).to_be_visible()
    expect(passed).to_contain_text("The loss diverges")
    assert "loss-divergence" not in passed.inner_text()
    expect(passed.get_by_role("link", name="LD102")).to_have_attribute("href", re.compile("LD102"))
    frame = made.open(run="sick", view="overview", lang="zh-CN")
    frame.get_by_text(re.compile("未评估的规则检查")).click()
    skipped = frame.locator("details.outcomes[open]")
    words = skipped.inner_text()
    assert "call_value" not in words
    assert "with check_up=True" not in words
    assert "，并设 check_up=True" in words


def test_the_steps_that_are_named_are_those_at_which_the_curve_jumps(edges: Any) -> None:
    """U16, R2: 50 bad batches from step 250 on."""
    frame = edges.open(run="jumping")
    leading = frame.locator(".leading")
    expect(leading).to_contain_text("The loss spikes")
    expect(leading).to_contain_text(re.compile(r"Steps? 250"))
    expect(leading).to_contain_text("out of its noise once")


def test_very_small_values_have_an_axis(edges: Any) -> None:
    """U36: something is written left of the curve."""
    frame = edges.open(run="tiny")
    expect(frame.locator("main canvas").first).to_be_visible()
    frame.wait_for_timeout(500)
    written = [column for column in columns_of(frame, "main canvas", INK) if column < 60]
    assert len(written) > 15


@pytest.mark.parametrize(("width", "most"), [(1440, 100), (1024, 100), (420, 90), (320, 90)])
def test_the_bar_leaves_the_page_its_room(made: Any, width: int, most: int) -> None:
    """U18, U46."""
    made.page.set_viewport_size({"width": width, "height": 800})
    frame = made.open(run="sick", view="gradients")
    bar = frame.locator("header.bar")
    expect(bar.get_by_role("link", name="Gradients")).to_be_in_viewport()
    assert bar.bounding_box()["height"] <= most
    if width < 1280:
        bar.locator(".bar-menu > summary").click()
    expect(bar.get_by_role("button", name="Copy link")).to_be_visible()


@pytest.mark.parametrize("view", ["overview", "activations", "report"])
def test_the_name_of_the_view_is_whole_in_a_narrow_bar(made: Any, view: str) -> None:
    made.page.set_viewport_size({"width": 720, "height": 450})
    frame = made.open(run="sick", view=view)
    expect(frame.get_by_role("link", name=re.compile(r"Findings \(\d+\)"))).to_be_attached()
    settle(frame)
    row = frame.locator("nav").bounding_box()
    name = frame.locator("nav [aria-current]").bounding_box()
    assert row["x"] <= name["x"]
    assert name["x"] + name["width"] <= row["x"] + row["width"] + 1


def test_a_narrow_table_of_layers_has_its_numbers_and_a_narrow_report_its_words(made: Any) -> None:
    made.page.set_viewport_size({"width": 800, "height": 900})
    frame = made.open(run="sick", view="activations")
    settle(frame)
    box = frame.locator(".layers-box").first
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    made.page.set_viewport_size({"width": 640, "height": 900})
    frame = made.open(run="sick", view="report")
    heads = frame.locator("iframe.report-page").content_frame.locator("table").first.locator("th")
    expect(heads.first).to_have_text("run")
    assert all(head.bounding_box()["height"] < 60 for head in heads.all())


def test_what_is_muted_counts_nowhere(tab: Any) -> None:
    """U23: the tab's count, the state, the overview and the list of runs follow."""
    frame = tab.open(run="clip_after_step", view="findings")
    expect(frame.get_by_role("link", name="Findings (1)")).to_be_visible()
    frame.get_by_text("Mute", exact=True).click()
    frame.get_by_label("Reason").fill("a test")
    frame.get_by_role("button", name="Mute in this browser").click()
    expect(frame.get_by_role("link", name="Findings", exact=True)).to_be_visible()
    expect(frame.locator("header .chip")).not_to_contain_text("Broken")
    frame.get_by_role("link", name="Overview").click()
    expect(frame.locator(".one-run > h2")).not_to_contain_text("Broken")
    expect(frame.locator(".leading")).to_have_count(0)
    row = frame.locator("tr.run-row", has_text="clip_after_step")
    expect(row.locator(".chip")).not_to_contain_text("Broken")
    frame.get_by_role("link", name="Muted in this browser (1)").click()
    expect(frame.get_by_text("Reason: a test")).to_be_visible()
    frame.get_by_role("button", name="Unmute").first.click()
    expect(frame.get_by_role("link", name="Findings (1)")).to_be_visible()


def test_a_server_that_is_gone_is_told_in_our_words(made: Any) -> None:
    """U44."""
    frame = made.open(run="sick")
    expect(frame.locator(".one-run > h2")).to_be_visible()
    made.page.route("**/lossdiag/runs*", lambda route: route.abort())
    banner = frame.get_by_role("alert")
    expect(banner).to_contain_text("Could not load: Runs. TensorBoard does not answer. The last")
    expect(frame.locator(".one-run > h2")).not_to_contain_text("growing")
    made.complaints.clear()


def test_an_empty_folder_offers_a_demo_and_plain_scalars(
    open_tab: Open, serve: Callable[..., str], tmp_path: Path
) -> None:
    """U51."""
    frame = open_tab(serve(tmp_path)).open()
    expect(frame.get_by_text("tb-lossdiag demo --logdir")).to_contain_text(tmp_path.name)
    expect(frame.get_by_text("plain scalars are judged, too")).to_be_visible()


def test_where_says_each_name_once_and_offers_only_what_does_something(tab: Any, made: Any) -> None:
    """U43."""
    frame = tab.open(run="deep_sigmoid", view="findings")
    where = frame.locator(".detail section", has_text="Where").first
    expect(where.get_by_text("0.weight", exact=True)).to_have_count(1)
    expect(where.get_by_role("button", name="Show these steps")).to_have_count(0)
    expect(frame.get_by_text("Numbers and thresholds")).to_be_visible()
    frame = made.open(run="sick", view="findings", f="LD203:250:blocks.1.mlp.fc1.weight")
    expect(frame.get_by_role("button", name="Show these steps")).to_be_visible()


def test_a_resumed_run_is_not_joined_across_the_restart_and_what_was_lost_is_named(
    open_tab: Open, serve: Callable[..., str], tmp_path: Path
) -> None:
    """U29, R3: training begins anew at step 150 although the run goes on."""
    rng = np.random.default_rng(0)
    for first in (0, 150):
        with SummaryWriter(tmp_path / "run") as writer:
            for step in range(first, first + 150):
                loss = 0.4 + 2 * np.exp(-(step - first) / 40) + 0.05 * rng.standard_normal()
                writer.add_diagnostics(loss=float(loss), global_step=step)
    frame = open_tab(serve(tmp_path)).open(run="run")
    expect(frame.locator(".leading")).to_contain_text("resumed at step 150")
    expect(frame.get_by_text("resumed at step 150", exact=True)).to_be_visible()
    expect(frame.locator(".one-run > h2")).to_contain_text("Needs attention")


@pytest.mark.parametrize("run", ["modules", "many_terms", "tiny"])
def test_runs_at_the_edges_are_accessible(edges: Any, run: str) -> None:
    """U37, and the views that are new."""
    wrong = {}
    for view in ("overview", "gradients", "terms", "activations"):
        frame = edges.open(run=run, view=view)
        settle(frame)
        if found := faults(frame):
            wrong[view] = found
    assert wrong == {}


def test_what_opens_is_accessible(made: Any) -> None:
    frame = made.open(run="sick", view="findings")
    settle(frame)
    frame.get_by_text("Mute", exact=True).click()
    for folded in frame.locator("details.outcomes > summary").all():
        folded.click()
    assert faults(frame) == []
    made.page.set_viewport_size({"width": 420, "height": 800})
    frame = made.open(run="sick", view="clipping")
    settle(frame)
    frame.locator(".bar-menu > summary").click()
    frame.locator(".plot .menu > summary").first.click()
    assert faults(frame) == []
    assert frame.evaluate("document.documentElement.scrollWidth") <= 420
