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
