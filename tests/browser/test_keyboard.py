"""By keyboard alone: an order that follows the page, a focus that is seen and not covered, Escape that closes what is open."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Frame, expect

from helpers.axe import settle
from helpers.plugin_frame import VIEWS

WHERE = """() => {
  const at = document.activeElement;
  const {top, bottom, left, right} = at.getBoundingClientRect();
  const bar = document.querySelector("header.bar").getBoundingClientRect().bottom;
  const {outlineStyle, outlineWidth} = getComputedStyle(at);
  const inBar = at.closest("header.bar") !== null;
  return {
    name: at.tagName + " " + (at.getAttribute("aria-label") ?? at.textContent.trim()).slice(0, 40),
    body: at === document.body,
    outlined: outlineStyle !== "none" && parseFloat(outlineWidth) >= 1,
    seen: right > 0 && left < innerWidth && bottom > (inBar ? 0 : bar) && top < innerHeight,
    after: [...document.querySelectorAll("*")].indexOf(at),
  };
}"""
"""What has the focus: whether that is seen, not under the bar, and where it stands in the document."""
MOST = 45
"""Stops that are looked at of a view: in long tables they repeat themselves."""


def stops(frame: Frame, key: str) -> list[dict[str, Any]]:
    """Where the focus goes by a key, until it leaves the page."""
    found: list[dict[str, Any]] = []
    for _ in range(MOST):
        frame.page.keyboard.press(key)
        at: dict[str, Any] = frame.evaluate(WHERE)
        if at["body"] or (found and at["after"] == found[0]["after"]):
            break
        found.append(at)
    return found


def wrong(found: list[dict[str, Any]]) -> list[str]:
    """Those that are not seen."""
    return [stop["name"] for stop in found if not (stop["outlined"] and stop["seen"])]


@pytest.mark.parametrize("view", VIEWS)
def test_the_focus_follows_the_page_and_is_seen(made: Any, view: str) -> None:
    frame = made.open(run="sick", view=view, cmp="healthy")
    settle(frame)
    frame.get_by_role("button", name="Skip to the content").focus()
    found = stops(frame, "Tab")
    assert len(found) > 10
    assert [stop["after"] for stop in found] == sorted(stop["after"] for stop in found)
    assert wrong(found) == []
    assert wrong(stops(frame, "Shift+Tab")[:25]) == []


def test_one_stop_leads_past_the_bar_and_a_finding_is_read_and_left(made: Any) -> None:
    frame = made.open(run="sick", view="findings")
    settle(frame)
    skip = frame.get_by_role("button", name="Skip to the content")
    skip.focus()
    skip.press("Enter")
    for _ in range(3):
        made.page.keyboard.press("Tab")
    listed = frame.locator("[aria-label='List of findings'] a")
    expect(listed.first).to_be_focused()
    made.page.keyboard.press("j")
    expect(listed.nth(1)).to_be_focused()  # it follows the page, which is drawn after the key
    made.page.keyboard.press("Enter")
    expect(frame.locator(".detail > h2")).to_contain_text("The steps change nothing")
    made.page.keyboard.press("Escape")
    expect(frame.locator(".detail > h2")).to_contain_text("Gradients are clipped too late")


def test_escape_closes_the_help_and_the_menu_of_the_bar(made: Any) -> None:
    made.page.set_viewport_size({"width": 800, "height": 800})
    frame = made.open(run="sick")
    menu = frame.locator(".bar-menu")
    menu.locator("summary").press("Enter")
    expect(menu.get_by_role("button", name="Keys")).to_be_visible()
    made.page.keyboard.press("Escape")
    expect(menu.get_by_role("button", name="Keys")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()
    menu.locator("summary").press("Enter")
    menu.get_by_role("button", name="Keys").press("Enter")
    expect(frame.get_by_role("dialog")).to_be_visible()
    made.page.keyboard.press("Escape")
    expect(frame.get_by_role("dialog")).to_be_hidden()
