"""Layers: their table, their map, and what is opened of one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Frame, expect

from helpers.axe import settle
from helpers.edge_runs import LONG


def test_layers_are_marked_by_the_rules_own_thresholds(edges: Any) -> None:
    """U34, U37: the most suspicious first, kinds, codes; a model without a name is no empty button."""
    frame = edges.open(run="modules", view="activations")
    first = frame.locator("table.layers tbody tr").first
    expect(first).to_contain_text("encoder.blocks.0.mlp.projection")
    expect(first).to_contain_text("linear")
    expect(first.locator("td[class*=cell-]")).to_contain_text("LD705")
    expect(frame.get_by_text("(the model itself)")).to_be_visible()
    frame.get_by_label("Order").select_option("model")
    expect(frame.locator("table.layers tbody tr").first).to_contain_text("(the model itself)")
    frame.get_by_label("Filter layers").fill("mlp")
    expect(frame.locator("table.layers tbody tr")).to_have_count(1)
    inner = frame.evaluate(
        "() => [...document.querySelectorAll('main *')].filter(e => e.scrollHeight > e.clientHeight + 2 && getComputedStyle(e).overflowY === 'auto').length"
    )
    assert inner == 0, "it is the page that scrolls"


def test_names_of_layers_are_not_broken_into_letters(edges: Any) -> None:
    """U14."""
    edges.page.set_viewport_size({"width": 1024, "height": 768})
    frame = edges.open(run="modules", view="activations")
    row = frame.locator("table.layers tbody tr").first
    expect(row).to_be_visible()
    assert row.bounding_box()["height"] < 80


def test_the_maps_choices_stand_in_one_line(made: Any) -> None:
    made.page.set_viewport_size({"width": 1440, "height": 900})
    frame = made.open(run="sick", view="gradients")
    controls = frame.locator(".heat-controls")
    expect(controls).to_be_visible()
    assert controls.bounding_box()["height"] < 50


def test_a_saved_map_says_what_its_colours_mean(made: Any) -> None:
    """U48."""
    frame = made.open(run="sick", view="gradients")
    expect(frame.locator(".legend").first).to_be_visible()
    with made.page.expect_download() as saved:
        frame.locator(".legend .menu > summary").click()
        frame.get_by_role("button", name="Save as SVG").click()
    picture = saved.value.path().read_text("utf-8")
    assert "L2 norm" in picture
    assert "≤ 0.00592" in picture
    assert "linearGradient" in picture


def test_what_can_be_done_with_the_map_is_behind_one_button(made: Any) -> None:
    """U48: no save button is seen until somebody asks, and Escape puts them away again."""
    frame = made.open(run="sick", view="gradients")
    menu = frame.locator(".legend .menu > summary")
    expect(menu).to_be_visible()
    saves = frame.get_by_role("button", name=re.compile("Save as"))
    expect(saves).to_have_count(0)
    board = frame.locator(".heat").first
    before = board.bounding_box()
    menu.focus()
    menu.press("Enter")
    expect(saves).to_have_count(3)
    assert board.bounding_box() == before, "what opens lies over the map and moves nothing"
    made.page.keyboard.press("Tab")
    expect(saves.first).to_be_focused()
    made.page.keyboard.press("Escape")
    expect(saves).to_have_count(0)
    expect(menu).to_be_focused()


def test_escape_closes_the_drawer_of_a_layer_and_goes_back_to_the_map(made: Any) -> None:
    made.page.set_viewport_size({"width": 1440, "height": 900})
    frame = made.open(run="sick", view="gradients")
    board = frame.get_by_role("application").first
    board.focus()
    board.press("n")
    board.press("Enter")
    drawer = frame.locator("section.layer")
    expect(drawer).to_be_visible()
    settle(frame)  # a chart that arrives later would be the first
    # What is open within it ends first, one thing by each press.
    menu = drawer.locator(".menu").first
    menu.locator("summary").press("Enter")
    menu.get_by_role("button", name="Fill the page").click()
    expect(frame.locator("figure.wide")).to_have_count(1)
    for what in (frame.locator("figure.wide"), drawer.locator(".menu[open]"), drawer):
        made.page.keyboard.press("Escape")
        expect(what).to_have_count(0)
    expect(board).to_be_focused()


@pytest.mark.parametrize("view", ["overview", "findings", "gradients", "terms", "activations"])
def test_names_of_200_characters_leave_the_page_its_width(edges: Any, view: str) -> None:
    """U35: neither a name without dots nor one of many parts, nor the layer that is opened."""
    frame = edges.open(run="long_names", view=view, layer=LONG)
    for width in (1440, 800, 420):
        edges.page.set_viewport_size({"width": width, "height": 900})
        settle(frame)
        assert frame.evaluate("document.documentElement.scrollWidth") <= width
        if view == "activations":
            _rows_are_whole(frame, width)


def _rows_are_whole(frame: Frame, width: int) -> None:
    """Three layers stand below each other, none of them half a page high."""
    rows = frame.locator("table.layers tbody tr")
    expect(rows).to_have_count(3)
    box = frame.locator(".layers-box").first
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") <= (0 if width > 1000 else 400)
    heights = [each.evaluate("row => row.getBoundingClientRect().height") for each in rows.all()]
    assert max(heights) < 170
    expect(rows.nth(2).locator("td").first).to_be_in_viewport()
