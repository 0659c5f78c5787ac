"""What all line charts share: a common cursor, a range that is dragged, a menu, smoothing, the time of a step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Frame, expect

from helpers.canvas_pixels import wait_for_colour

Open = Callable[[str], Any]
FIRST_LINE = (31, 111, 235)
LARGE_AND_AT_ONCE_BACK = """button => new Promise(done => {
  new MutationObserver((_, observer) => {
    if (!document.querySelector("figure.wide")) return;
    observer.disconnect();
    document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    done();
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
  button.click();
})"""
"""Escape in the very moment in which the chart has become large."""


def _clipping(open_tab: Open, everything: str) -> tuple[Any, Frame]:
    tab = open_tab(everything)
    tab.page.set_viewport_size({"width": 1440, "height": 1200})
    frame = tab.open(run="healthy", view="clipping")
    wait_for_colour(frame, "main canvas", FIRST_LINE)
    expect(frame.locator("main canvas")).to_have_count(3)
    return tab, frame


def test_charts_share_a_cursor_and_a_range_and_are_read_as_one_likes(
    open_tab: Open, everything: str
) -> None:
    tab, frame = _clipping(open_tab, everything)
    box = frame.locator("main canvas").first.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.page.mouse.move(x, y)
    lines = frame.locator(".pointer-line:visible")
    expect(lines).to_have_count(2)
    at = frame.locator("main canvas").nth(1).bounding_box()
    line = lines.first.bounding_box()
    assert at
    assert line
    assert abs(line["x"] - at["x"] - (x - box["x"])) < 2
    # Smoothing is chosen once for all charts, and said.
    menu = frame.locator("details.menu").first
    menu.locator("summary").click()
    menu.get_by_label("Smoothing").fill("0.9")
    expect(frame.get_by_text("The line is smoothed (0.9)")).to_have_count(3)
    menu.get_by_label("Smoothing").fill("0")
    menu.get_by_label("Steps shown as").select_option("since")
    menu.get_by_role("button", name="Show as a table").click()
    expect(frame.locator("figure th[scope=row]").first).to_have_text(re.compile(r"^\d+:\d\d:\d\d$"))
    menu.get_by_label("Steps shown as").select_option("step")
    menu.get_by_role("button", name="Fill the page").click()
    expect(frame.locator("figure.wide")).to_have_count(1)
    tab.page.keyboard.press("Escape")
    expect(frame.locator("figure.wide")).to_have_count(0)
    menu.get_by_role("button", name="Fill the page").evaluate(LARGE_AND_AT_ONCE_BACK)
    expect(frame.locator("figure.wide")).to_have_count(0)
    # A range is dragged where all is shown.
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    tab.page.mouse.move(x + 200, y, steps=4)
    expect(frame.locator(".box")).to_be_visible()
    tab.page.mouse.up()
    expect(frame.get_by_role("button", name="Show all: 0 – 399")).to_be_visible()


def test_a_chart_is_as_high_as_somebody_dragged_it_and_stays_so(
    open_tab: Open, everything: str
) -> None:
    tab, frame = _clipping(open_tab, everything)
    chart = frame.locator("main canvas").first
    before = chart.bounding_box()
    assert before
    edge = frame.locator(".edge").first.bounding_box()
    assert edge
    x, y = edge["x"] + edge["width"] / 2, edge["y"] + edge["height"] / 2
    tab.page.mouse.move(x, y)
    tab.page.mouse.down()
    tab.page.mouse.move(x, y + 150, steps=5)
    tab.page.mouse.up()
    higher = before["height"] + 150
    _has_size(frame, higher)
    # It is drawn anew and not stretched: a line in its colour lies below where the chart ended.
    wait_for_colour(frame, "main canvas", FIRST_LINE)
    assert frame.get_by_role("button", name=re.compile("Show all")).count() == 0
    frame = tab.open(run="healthy", view="clipping")
    _has_size(frame, higher)
    menu = frame.locator("details.menu").first
    menu.locator("summary").click()
    menu.get_by_label("Height").fill("100")
    menu.get_by_label("Height").press("Enter")
    _has_size(frame, before["height"] - 140)
    frame.locator(".edge").first.dblclick()
    _has_size(frame, before["height"])


def _has_size(frame: Frame, height: float) -> None:
    expect(frame.locator("main canvas").first).to_have_js_property("clientHeight", height)


def test_a_pinned_chart_stands_above_every_view_of_every_run(
    open_tab: Open, everything: str
) -> None:
    tab = open_tab(everything)
    frame = tab.open(run="healthy")
    wait_for_colour(frame, "main canvas", FIRST_LINE)
    menu = frame.locator("details.menu").first
    menu.locator("summary").click()
    menu.get_by_role("button", name="Pin to the top").click()
    wait_for_colour(frame, ".pinned canvas", FIRST_LINE)
    frame.get_by_role("link", name="Gradients").click()
    wait_for_colour(frame, ".pinned canvas", FIRST_LINE)
    frame = tab.open(run="sick", view="clipping")
    pinned = frame.get_by_role("region", name="Pinned (1)")
    wait_for_colour(frame, ".pinned canvas", FIRST_LINE)
    card, heading = (
        pinned.bounding_box(),
        frame.get_by_role("heading", name="Clipping").bounding_box(),
    )
    assert card
    assert heading
    assert card["y"] < heading["y"]
    # Another that this run did not record says so; each is taken down where it stands.
    pinned.get_by_role("button", name="Unpin Training loss, validation loss").click()
    expect(frame.locator(".pinned")).to_have_count(0)
    frame = tab.open(run="sick")
    expect(frame.locator(".one-run")).to_be_visible()
    expect(frame.locator(".pinned")).to_have_count(0)
