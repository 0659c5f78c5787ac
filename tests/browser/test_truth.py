"""What the first look says is what the records say: pixels and words that once misled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Frame, expect

from helpers.canvas_pixels import columns_of, wait_for_colour
from helpers.plugin_frame import wait_until
from helpers.tensorboard_process import get, serving
from helpers.written_runs import write_run
from tb_lossdiag.quantities import (
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LOSS,
    LOSS_NONFINITE,
    PARAMETER_NORM,
    VALIDATION_LOSS,
)
from tb_lossdiag.records import Table, table

Open = Callable[[str], Any]
STEPS = 200
NAN_RED = (214, 40, 40)
TURN = [(66, 80, 102), (18, 181, 203), (229, 37, 146), (249, 171, 0)]
"""The colours that TensorBoard gives runs in turn, the first of them."""
ERROR, WARNING = (197, 34, 31), (154, 91, 0)
LAYERS = [f"net.{block}.{part}.weight" for block in range(30) for part in ("fc1", "fc2")]


def _run(broken: int, *, validation: bool = False, steps: int = STEPS) -> list[Table]:
    """A training whose loss and gradients are NaN from a step on; its weights are NaN in the newest record then."""
    at = np.arange(steps)
    rng = np.random.default_rng(broken)
    bad = at >= broken
    loss = np.where(bad, np.nan, 2 * np.exp(-3 * at / STEPS) + 0.05 * rng.random(steps))
    norms = rng.lognormal(0, 0.2, (steps, len(LAYERS)))
    norms[bad] = np.nan
    every = bad[:, None] & np.ones(len(LAYERS), bool)
    weights = np.where(every[::20], np.nan, 40.0)
    if broken < steps:
        weights[-1] = np.nan
    validated = [table(VALIDATION_LOSS, at[::20], 1.1 * loss[::20])] if validation else []
    return [
        table(LOSS, at, loss),
        table(LOSS_NONFINITE, at, bad),
        table(GRADIENT_NORM, at, norms, LAYERS),
        table(GRADIENT_NONFINITE, at, every, LAYERS),
        table(PARAMETER_NORM, at[::20], weights, LAYERS),
        *validated,
    ]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on a healthy run, one that ends in NaN, one of a single step; the healthy one is the first by name."""
    logdir = tmp_path_factory.mktemp("told")
    write_run(logdir / "a_fine", _run(STEPS))
    write_run(logdir / "fine_too", _run(STEPS, validation=True))
    write_run(logdir / "nan_at_the_end", _run(STEPS - 1))
    write_run(logdir / "one_step", _run(STEPS, steps=1))
    with serving(str(logdir), strict=True) as base:
        yield base


@pytest.fixture
def large(open_tab: Open, told: str) -> Any:
    """A tab of a usual screen's size."""
    tab = open_tab(told)
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    return tab


def is_in_view(frame: Frame, selector: str) -> bool:
    """Whether the first such element lies in the visible part of the page, its top at least."""
    script = """selector => {
      const {top, height} = document.querySelector(selector).getBoundingClientRect();
      return height > 0 && top >= 0 && top < window.innerHeight - 20;
    }"""
    seen: bool = frame.evaluate(script, selector)
    return seen


def test_the_worst_run_is_opened_not_the_first_by_name(large: Any) -> None:
    frame = large.open()
    expect(frame.locator(".one-run > h2")).to_contain_text("nan_at_the_end")
    expect(frame.locator(".one-run > h2")).to_contain_text("Broken")


def test_the_last_record_is_painted(large: Any) -> None:
    frame = large.open(run="nan_at_the_end", view="gradients")
    columns = wait_for_colour(frame, ".heat canvas", NAN_RED)
    # The hatch is at the right edge of the picture, a record wide, and nothing is painted behind it.
    width = frame.evaluate("document.querySelector('.heat canvas').width")
    assert columns[-1] > 0.9 * width
    assert columns[-1] - columns[0] >= 3
    # So it is in a view that ends with that record.
    frame = large.open(run="nan_at_the_end", view="gradients", x="190-199")
    assert len(wait_for_colour(frame, ".heat canvas", NAN_RED)) > len(columns)


def test_the_newest_record_is_shown_as_what_it_is(large: Any) -> None:
    frame = large.open(run="nan_at_the_end", view="activations")
    row = frame.locator("tr", has=frame.get_by_role("button", name=LAYERS[0], exact=True))
    expect(row).to_contain_text("NaN")


def test_one_step_is_no_proof_of_health(large: Any) -> None:
    frame = large.open(run="one_step")
    expect(frame.locator(".one-run > h2")).to_contain_text("Too early")
    expect(frame.locator(".one-run > h2")).not_to_contain_text("Healthy")


def test_a_curve_that_only_one_run_has_is_drawn_in_that_runs_colour(large: Any) -> None:
    frame = large.open(run="a_fine", view="compare", cmp="fine_too")
    section = frame.locator(
        "section", has=frame.get_by_role("heading", name=re.compile("alidation"))
    )
    section.last.scroll_into_view_if_needed()
    mark = "section.only-b"
    expect(section.last.locator("canvas").first).to_be_visible()
    section.last.evaluate("element => element.classList.add('only-b')")
    listed = json.loads(get(f"{large.address}/data/runs")[1])
    a, b = (TURN[listed.index(run)] for run in ("a_fine", "fine_too"))
    assert wait_for_colour(frame, f"{mark} canvas", b)
    assert columns_of(frame, f"{mark} canvas", a) == []


def test_no_finding_covers_another(open_tab: Open, everything: str) -> None:
    frame = open_tab(everything).open(run="sick", view="gradients")
    wait_for_colour(frame, ".heat canvas", ERROR)
    wait_for_colour(frame, ".heat canvas", WARNING)
    # Both are there over the same steps, each in a lane of its own; on a busy machine the map is laid out once more between two looks.
    for _ in range(40):
        both = (set(columns_of(frame, ".heat canvas", colour)) for colour in (ERROR, WARNING))
        if set.intersection(*both):
            return
        frame.wait_for_timeout(250)
    raise AssertionError("never over the same steps")


def point_until(tab: Any, at: tuple[float, float], words: str) -> None:
    """Move the mouse about a place until the map says these words there: one that is made anew hears nothing at first."""
    tip = tab.frame().locator(".tip")
    for turn in range(150):
        tab.page.mouse.move(at[0] + turn % 2, at[1])
        if words in "".join(tip.all_inner_texts()):
            return
        tab.page.wait_for_timeout(200)
    raise AssertionError(f"nothing says {words} at {at}")


def test_what_is_pointed_at_and_opened_is_in_view(large: Any) -> None:
    frame = large.open(run="a_fine", view="gradients")
    wait_for_colour(frame, ".heat canvas", (31, 35, 40))
    box = frame.locator(".heat canvas").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    large.page.mouse.move(x, y)
    expect(frame.locator(".readout")).to_contain_text("largest")
    expect(frame.locator(".tip")).to_contain_text("largest")
    assert is_in_view(frame, ".readout")
    frame.get_by_label("Modules").select_option("0")
    point_until(large, (x, y), ".weight")
    large.page.mouse.click(x, y)
    expect(frame.locator(".layer h3").first).to_be_visible()
    assert is_in_view(frame, ".layer h3")
    assert frame.evaluate("window.scrollY") == 0


def test_the_wheel_over_a_chart_scrolls_the_page(large: Any) -> None:
    frame = large.open(run="a_fine", view="gradients", layer=LAYERS[0])
    wait_for_colour(frame, ".heat canvas", (31, 35, 40))
    large.page.set_viewport_size({"width": 1000, "height": 500})
    box = frame.locator(".heat canvas").bounding_box()
    assert box
    large.page.mouse.move(box["x"] + 300, box["y"] + 60)
    large.page.mouse.wheel(0, 240)
    wait_until(frame, "window.scrollY > 100")
    expect(frame.get_by_role("button", name=re.compile("Show all: "))).to_have_count(0)


def test_evidence_and_fix_are_two_places_and_the_fix_is_on_the_first_screen(large: Any) -> None:
    frame = large.open(run="nan_at_the_end")
    expect(frame.locator(".leading .to-do pre")).to_be_visible()
    assert is_in_view(frame, ".leading .to-do pre")
    frame.get_by_role("link", name="The whole fix").click()
    expect(frame.locator("[data-part=fix]")).to_be_visible()
    assert "part=fix" in large.page.url
    frame = large.open(run="nan_at_the_end")
    frame.get_by_role("link", name="Evidence").click()
    frame.wait_for_selector("[data-part=evidence] canvas")
    assert "part=evidence" in large.page.url


def test_a_cause_is_as_bad_as_what_it_explains(tab: Any) -> None:
    frame = tab.open(run="deep_sigmoid", view="findings")
    first = frame.locator(".item").first
    expect(first).to_contain_text("Error")
    frame.get_by_label("Severity").select_option("error")
    expect(frame.locator(".item")).to_have_count(1)
    frame.get_by_label("Search").fill("no such words")
    expect(frame.get_by_text("passes the filter")).to_be_visible()


def test_the_map_that_a_finding_is_about_names_it(tab: Any) -> None:
    frame = tab.open(run="deep_sigmoid", view="gradients")
    events = frame.get_by_role("list", name="What stands out")
    expect(events.get_by_role("link", name=re.compile("LD201"))).to_be_visible()
    expect(events).not_to_contain_text("Nothing stands out")


def test_a_clip_that_came_too_late_is_said_first_and_nothing_contradicts_it(tab: Any) -> None:
    frame = tab.open(run="clip_after_step", view="clipping")
    verdict = frame.locator(".verdict").first
    expect(verdict).to_contain_text("Gradients are clipped too late")
    expect(frame.locator("main canvas").first).to_be_visible()
    above = "([a, b]) => document.querySelector(a).getBoundingClientRect().top < document.querySelector(b).getBoundingClientRect().top"
    assert frame.evaluate(above, [".verdict", "main canvas"])
    words = frame.locator("main").inner_text()
    assert "changed the gradient" not in words
    assert "gradient is multiplied by this" not in words


def test_who_tabs_gets_past_the_bar_at_once(large: Any) -> None:
    frame = large.open(run="a_fine")
    expect(frame.locator("main")).to_be_visible()
    skip = frame.get_by_role("button", name="Skip to the content")
    skip.focus()
    expect(skip).to_be_in_viewport()
    skip.press("Enter")
    expect(frame.locator("main")).to_be_focused()
