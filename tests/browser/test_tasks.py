"""Five tasks of somebody whose training goes wrong, counted in clicks from the tab's opening."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Frame, Locator, expect

from helpers.sweeps import members, write_sweep
from helpers.tensorboard_process import serving

Open = Callable[[str], Any]
COUNT = 300


class Hand:
    """Clicks, counted."""

    def __init__(self) -> None:
        self.clicks = 0

    def click(self, place: Locator) -> None:
        """One more."""
        self.clicks += 1
        place.click()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on a sweep of 300 runs."""
    logdir = tmp_path_factory.mktemp("tasks")
    write_sweep(logdir, COUNT)
    with serving(str(logdir), strict=True) as base:
        yield base


@pytest.fixture
def hand() -> Hand:
    """A hand that has clicked nothing yet."""
    return Hand()


def sized(tab: Any) -> Any:
    """The tab on a laptop's screen."""
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    return tab


def judged(tab: Any) -> Frame:
    """The tab's first look, once the server has judged all runs."""
    frame: Frame = sized(tab).open()
    expect(frame.locator("tr.group-row").first).to_be_visible()
    expect(frame.get_by_text(re.compile(r"\d+ of \d+ judged"))).to_have_count(0, timeout=120_000)
    return frame


def test_the_cause_of_nan_is_named_without_a_click_and_its_layer_and_fix_with_one(
    open_tab: Open, address: str, hand: Hand
) -> None:
    broken = next(member.name for member in members(COUNT) if member.breaks)
    frame = sized(open_tab(address)).open(run=quote(broken))
    cause = frame.locator(".leading")
    expect(cause).to_be_in_viewport()
    expect(cause).to_contain_text("The loss is NaN")
    fix = cause.get_by_role("button", name="Copy").first
    expect(fix).to_be_in_viewport()
    assert hand.clicks == 0
    hand.click(fix)
    expect(cause.get_by_text("Copied")).to_be_visible()
    assert hand.clicks <= 1
    layer = Hand()
    layer.click(frame.get_by_role("link", name="Gradients", exact=True))
    expect(
        frame.get_by_role("list", name="What stands out").get_by_text(re.compile(r"layer\d"))
    ).to_be_visible()
    assert layer.clicks <= 1


def test_all_runs_with_the_same_cause_among_300_are_one_click_away(
    open_tab: Open, address: str, hand: Hand
) -> None:
    frame = judged(open_tab(address))
    row = frame.locator("tr.group-row").filter(has_text="LD601")
    too_fast = sum(member.too_fast for member in members(COUNT))
    expect(row).to_contain_text(f"{too_fast} runs")
    hand.click(row.get_by_role("button").first)
    expect(frame.locator("tr.run-row").first).to_be_visible()
    assert hand.clicks <= 1


def test_what_differs_from_the_best_healthy_run_is_two_clicks_away(
    open_tab: Open, address: str, hand: Hand
) -> None:
    frame = judged(open_tab(address))
    row = frame.locator("tr.group-row").filter(has_text="LD601")
    hand.click(row.get_by_role("link", name="vs best"))
    facts = frame.get_by_role("heading", name="What differs")
    expect(facts).to_be_in_viewport()
    expect(frame.get_by_text("learning rate · group 0").first).to_be_visible()
    assert hand.clicks <= 2
