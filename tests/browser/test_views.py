"""Every view with data in it, by mouse and by keyboard, in both themes and languages."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from helpers.axe import faults, settle
from helpers.plugin_frame import VIEWS, wait_until

Open = Callable[[str], Any]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_is_accessible(made: Any, theme: str) -> None:
    frame = made.open(run="sick", cmp="healthy")
    if theme == "dark":
        made.page.locator("app-header-dark-mode-toggle button").click()
        made.page.locator("[role=menuitem]", has_text="Dark").click()
        expect(frame.locator("html")).to_have_attribute("data-theme", "dark")
    wrong = {}
    for view in VIEWS:
        frame.get_by_role("navigation").get_by_role("link").nth(VIEWS.index(view)).click()
        settle(frame)
        if found := faults(frame):
            wrong[view] = found
    assert wrong == {}


def test_what_can_be_chosen_in_a_heat_map_is_accessible(made: Any) -> None:
    frame = made.open(run="sick", view="gradients", layer="blocks.1.mlp.fc1.weight")
    settle(frame)
    frame.get_by_role("application").first.press("z")
    frame.get_by_role("slider").first.press("PageUp")
    frame.locator(".distribution summary").click()
    expect(frame.locator(".row-range, .chosen-range")).to_have_count(2)
    assert faults(frame) == []
    made.page.set_viewport_size({"width": 320, "height": 640})
    frame.wait_for_timeout(300)
    assert frame.evaluate("document.documentElement.scrollWidth") <= 320


def test_compared_runs_aligned_by_time_are_accessible(made: Any) -> None:
    frame = made.open(run="sick", view="compare", cmp="healthy", align="time")
    expect(frame.locator(".unseen", has_text="after the start").first).to_be_attached()
    settle(frame)
    assert faults(frame) == []


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_is_wider_than_a_page_at_400_percent(made: Any, view: str) -> None:
    made.page.set_viewport_size({"width": 320, "height": 640})
    frame = made.open(run="sick", view=view, cmp="healthy")
    settle(frame)
    width = frame.evaluate("document.documentElement.scrollWidth")
    assert width <= 320, f"{view} is {width} pixels wide"


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_speaks_chinese(made: Any, view: str) -> None:
    frame = made.open(run="sick", view=view, cmp="healthy", lang="zh-CN")
    settle(frame)
    heading = frame.locator("main h2").first.inner_text()
    assert re.search(r"[一-鿿]", heading), heading


def test_a_heat_map_is_read_by_keyboard_with_its_recorded_numbers(made: Any) -> None:
    frame = made.open(run="sick", view="gradients")
    board = frame.get_by_role("application").first
    board.focus()
    made.page.keyboard.press("n")
    expect(frame.locator(".readout")).to_contain_text("blocks.2.attn.q.weight · step 380 · NaN")
    made.page.keyboard.press("Enter")
    expect(frame.get_by_role("heading", name="Layer blocks.2.attn.q.weight")).to_be_visible()
    board.focus()
    made.page.keyboard.press("+")
    expect(frame.get_by_role("button", name="Show all: 0 – 399")).to_be_visible()
    made.page.keyboard.press("0")
    expect(frame.get_by_role("button", name="Show all: 0 – 399")).to_have_count(0)
    made.page.keyboard.press("t")
    expect(frame.locator("main table").first).to_be_visible()


@pytest.mark.parametrize("scale", ["absolute", "median"])
def test_what_stands_out_is_told_in_words(made: Any, scale: str) -> None:
    frame = made.open(run="sick", view="gradients", scale=scale)
    events = frame.get_by_role("list", name="What stands out")
    expect(events).to_contain_text("Step 380: NaN or overflow · blocks.2.attn.q.weight")
    expect(events).to_contain_text(re.compile(r"Step 250: .*blocks\.1\.mlp\.fc1\.weight"))


def test_the_share_of_the_global_norm_names_its_owner(made: Any) -> None:
    frame = made.open(run="sick", view="gradients", scale="share")
    frame.locator("summary", has_text="Show as a table").click()
    row = frame.locator("tr", has=frame.get_by_role("rowheader", name="blocks.1.mlp.fc1.weight"))
    expect(row).to_contain_text("250")
    expect(row.locator("td").nth(1)).to_have_text("1")


def test_modules_fold_and_unfold(made: Any) -> None:
    frame = made.open(run="sick", view="gradients")
    frame.get_by_label("Modules").select_option("2")
    summary = frame.locator("summary", has_text="Show as a table")
    summary.click()
    expect(frame.locator("main tbody tr")).to_have_count(8)
    frame.get_by_role("application").first.focus()
    made.page.keyboard.press("ArrowDown")
    made.page.keyboard.press("Enter")
    expect(frame.get_by_role("button", name="Fold blocks.0")).to_be_visible()


def test_a_zoom_is_shared_by_all_charts_and_kept_in_the_link(made: Any) -> None:
    frame = made.open(run="sick", view="clipping", x="100-200")
    settle(frame)
    expect(frame.get_by_label("First step in view")).to_have_value("100")
    boards = frame.get_by_role("application")
    assert boards.count() == 3
    boards.nth(1).focus()
    made.page.keyboard.press("+")
    frame.wait_for_timeout(600)
    first = int(frame.get_by_label("First step in view").input_value())
    last = int(frame.get_by_label("Last step in view").input_value())
    assert last - first <= 51
    found = re.search(r"p\.lossdiag\.x=(\d+)-(\d+)", made.page.evaluate("location.hash"))
    assert found
    assert int(found[1]) <= first <= last <= int(found[2])


def test_a_finding_offers_its_steps_its_link_and_itself(made: Any) -> None:
    frame = made.open(run="sick", view="findings")
    for part in ("What", "Where", "Evidence", "How to fix it", "Rule", "Why"):
        expect(frame.get_by_role("heading", name=part, exact=True)).to_be_visible()
    with made.page.expect_download() as download:
        frame.get_by_role("button", name="Save as JSON").click()
    finding = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert finding["code"] == "LD302"


def test_a_finding_is_muted_with_its_reason_and_back_again(made: Any) -> None:
    frame = made.open(run="sick", view="findings")
    frame.locator("[aria-label='List of findings'] a").first.focus()
    made.page.keyboard.press("m")
    reason = frame.get_by_role("searchbox", name="Reason")
    expect(reason).to_be_focused()
    reason.fill("meant so")
    expect(frame.locator("details.mute code")).to_contain_text('code = "LD302"')
    expect(frame.locator("details.mute code")).to_contain_text('reason = "meant so"')
    frame.get_by_role("button", name="Mute in this browser").click()
    expect(frame.get_by_text("Muted in this browser (1)")).to_be_visible()
    expect(frame.get_by_text("Reason: meant so")).to_be_visible()
    frame.get_by_role("button", name="Unmute").click()
    expect(frame.get_by_text("Muted in this browser (1)")).to_have_count(0)


def test_pictures_and_numbers_can_be_saved(made: Any) -> None:
    frame = made.open(run="sick", view="gradients")
    settle(frame)
    saved = {}
    frame.locator(".legend .menu > summary").click()
    for kind in ("PNG", "SVG", "CSV"):
        with made.page.expect_download() as download:
            frame.get_by_role("button", name=f"Save as {kind}").first.click()
        saved[kind] = Path(download.value.path()).read_bytes()
        assert download.value.suggested_filename.endswith(kind.lower())
    assert saved["PNG"].startswith(b"\x89PNG")
    assert b"Gradient norm" in saved["SVG"] or b"gradient norm" in saved["SVG"]
    assert b"data:image/png" in saved["SVG"]
    rows = list(csv.DictReader(io.StringIO(saved["CSV"].decode("utf-8"), newline="")))
    spike = max(rows, key=lambda row: float(row["max"] or 0))
    assert (spike["layer"], spike["first_step"]) == ("blocks.1.mlp.fc1.weight", "250")


def test_the_conflict_matrix_names_the_quarrel(made: Any) -> None:
    frame = made.open(run="sick", view="terms")
    cell = frame.get_by_role("button", name=re.compile("opposes")).first
    cell.click()
    expect(frame.get_by_label(re.compile("cosine recon × kl")).first).to_be_visible()


def test_layers_are_sorted_by_what_is_worst(made: Any) -> None:
    frame = made.open(run="sick", view="activations")
    frame.get_by_role("button", name="Activations by module").click()
    frame.get_by_role("button", name="Dead units").click()
    expect(frame.locator("table.layers").first.locator("tbody th").first).to_contain_text(
        "blocks.2.mlp.relu"
    )
    frame.get_by_role("button", name="blocks.2.mlp.relu").click()
    expect(frame.get_by_role("heading", name="Dead units", exact=True)).to_be_visible()


def test_two_runs_are_compared(made: Any) -> None:
    frame = made.open(run="sick", view="compare")
    expect(frame.get_by_text("Pick a second run.")).to_be_visible()
    other = frame.get_by_label("Compare with")
    other.fill("health")
    expect(frame.get_by_text("Pick a second run.")).to_be_visible()
    other.fill("healthy")
    gone = frame.get_by_role("listitem").filter(has_text="LD302")
    expect(gone).to_contain_text("clip · A · ")
    expect(frame.get_by_role("heading", name="Where the curves part")).to_be_visible()
    expect(frame.locator("tr", has_text="optimizer")).to_contain_text("AdamW")
    frame.get_by_label("View", exact=True).select_option("ratio")
    expect(frame.get_by_role("heading", name="sick divided by healthy")).to_be_visible()


def test_the_report_is_shown_and_saved(made: Any) -> None:
    frame = made.open(run="sick", view="report")
    frame.get_by_label("Format").select_option("md")
    expect(frame.locator("pre")).to_contain_text("# sick: broken")
    with made.page.expect_download() as download:
        frame.get_by_role("link", name="Save CSV").click()
    assert b"LD302" in Path(download.value.path()).read_bytes()


def test_the_report_has_the_theme_of_the_tab(made: Any) -> None:
    frame = made.open(run="sick", view="report")
    report = frame.locator("iframe.report-page")
    expect(report.content_frame.locator("html")).to_have_css("color-scheme", "light")
    made.page.locator("app-header-dark-mode-toggle button").click()
    made.page.locator("[role=menuitem]", has_text="Dark").click()
    page = report.content_frame.locator("html")
    expect(page).to_have_css("color-scheme", "dark")
    expect(report.content_frame.locator(".error").first).to_have_css("color", "rgb(255, 143, 136)")


def test_a_hidden_tab_asks_nothing_and_looks_again_when_shown(made: Any) -> None:
    frame = made.open(run="sick")
    settle(frame)
    asked: list[str] = []
    made.page.on("request", lambda request: asked.append(request.url))
    made.page.evaluate("document.querySelector('iframe').style.cssText = 'height:0'")
    wait_until(frame, "innerHeight === 0")
    made.page.wait_for_timeout(7000)
    assert [url for url in asked if "/lossdiag/" in url] == []
    with made.page.expect_request("**/lossdiag/runs?**", timeout=2000):
        made.page.evaluate("document.querySelector('iframe').style.cssText = ''")


def test_a_server_error_is_told_and_can_be_retried(made: Any) -> None:
    frame = made.open(run="sick", view="gradients")
    settle(frame)
    made.page.route("**/lossdiag/table?**", lambda route: route.fulfill(status=503, body="busy"))
    frame.get_by_label("Show", exact=True).select_option("update_ratio")
    alert = frame.get_by_role("alert")
    expect(alert).to_contain_text("busy (HTTP 503)")
    made.page.unroute("**/lossdiag/table?**")
    alert.get_by_role("button", name="Retry").click()
    expect(alert).to_have_count(0)
    made.complaints.clear()  # the browser logs the 503 itself


def test_keys_are_listed_and_letters_can_be_switched_off(made: Any) -> None:
    frame = made.open(run="sick", view="gradients")
    frame.get_by_role("application").first.focus()
    made.page.keyboard.press("?")
    dialog = frame.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Single letters act as keys").uncheck()
    dialog.get_by_role("button", name="Close").click()
    frame.get_by_role("application").first.focus()
    made.page.keyboard.press("?")
    expect(dialog).to_be_hidden()


def test_a_narrow_overview_shows_each_run_in_one_line(made: Any) -> None:
    made.page.set_viewport_size({"width": 420, "height": 900})
    frame = made.open(run="sick")
    settle(frame)
    row = frame.locator("table.runs tbody tr").first
    expect(row.get_by_role("rowheader")).to_contain_text("sick")
    expect(row.get_by_text("Broken")).to_be_visible()
    box = row.bounding_box()
    assert box
    assert box["height"] < 40, "cells are squeezed until each letter has a line"
    assert frame.evaluate("document.documentElement.scrollWidth") <= 420


def test_runs_are_sorted_by_their_headings(made: Any) -> None:
    frame = made.open(run="sick")
    first = frame.locator("table.runs tbody th").first
    expect(first).to_contain_text("sick")
    frame.locator("table.runs").get_by_role("button", name="Run", exact=True).press("Enter")
    expect(first).to_contain_text("healthy")
    head = frame.locator("table.runs").get_by_role("columnheader", name="Run")
    expect(head).to_have_attribute("aria-sort", "ascending")
