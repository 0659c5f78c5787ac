"""The heat map by mouse and by keyboard: its rows and its colours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import FloatRect, Frame, Locator, expect

from helpers.canvas_pixels import columns_of
from helpers.tensorboard_process import serving
from helpers.written_runs import write_run
from tb_lossdiag.quantities import GRADIENT_NORM
from tb_lossdiag.records import table

Open = Callable[[str], Any]
LAYERS, SPIKE_LAYER, SPIKE_STEP = 400, 123, 60


@pytest.fixture(scope="module")
def tall_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on a run of 400 layers, of which one has one spike."""
    logdir = tmp_path_factory.mktemp("tall")
    steps = np.arange(100)
    norms = np.random.default_rng(0).lognormal(0, 0.5, (len(steps), LAYERS))
    norms[SPIKE_STEP, SPIKE_LAYER] = 1e5
    names = [f"blocks.{i // 10}.part{i % 10}.weight" for i in range(LAYERS)]
    write_run(logdir / "tall", [table(GRADIENT_NORM, steps, norms, names)])
    with serving(str(logdir), strict=True) as base:
        yield base


@pytest.fixture
def tall(open_tab: Open, tall_address: str) -> Any:
    """A tab on it."""
    return open_tab(tall_address)


def painted(frame: Frame, colour: tuple[int, int, int]) -> int:
    """How many pixels of the picture have a colour."""
    script = """([red, green, blue]) => {
      const canvas = document.querySelector('.heat canvas');
      if (!canvas) return 0;
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      let count = 0;
      for (let at = 0; at < data.length; at += 4)
        count += data[at] === red && data[at + 1] === green && data[at + 2] === blue;
      return count;
    }"""
    return int(frame.evaluate(script, list(colour)))


FAR = (255, 0, 200)


def shown(frame: Frame) -> tuple[int, int]:
    """First and last layer in view, from 1 on."""
    text = frame.locator(".row-range").inner_text()
    first, last = re.findall(r"\d+", text)[:2] if "–" in text else re.findall(r"\d+", text)[:1] * 2
    return int(first), int(last)


def heat_of(tab: Any, **place: str) -> tuple[Frame, Locator, FloatRect]:
    """The frame at its heat map, once that is painted, and where it lies."""
    frame = tab.open(view="gradients", **place)
    board = frame.get_by_role("application").first
    board.scroll_into_view_if_needed()
    frame.get_by_label("Modules").select_option("0")
    expect(frame.locator(".heat canvas")).to_be_visible()
    frame.wait_for_timeout(500)
    box = frame.locator(".heat canvas").bounding_box()
    assert box
    return frame, board, box


def row_top(box: FloatRect, row: float) -> float:
    """How far below the canvas's top a row of the picture begins: between the findings above it and the axis below."""
    axis, picture = 64, 430
    return box["height"] - axis - picture + row / LAYERS * picture


def test_shift_and_wheel_zoom_the_layers_around_the_mouse(tall: Any) -> None:
    frame, _, box = heat_of(tall)
    assert painted(frame, FAR) >= 9
    y = box["y"] + row_top(box, SPIKE_LAYER + 0.5)
    tall.page.mouse.move(box["x"] + 600, y)
    tall.page.keyboard.down("Shift")
    for _ in range(13):
        tall.page.mouse.wheel(0, -120)
        frame.wait_for_timeout(30)
    tall.page.keyboard.up("Shift")
    first, last = shown(frame)
    assert first <= SPIKE_LAYER + 1 <= last
    assert last - first < 30
    assert painted(frame, FAR) >= 9
    expect(frame.get_by_role("button", name=re.compile("Show all: "))).to_have_count(0)
    tall.page.mouse.dblclick(box["x"] + 600, y)
    expect(frame.locator(".row-range")).to_have_count(0)


def test_dragging_moves_steps_and_layers(tall: Any) -> None:
    frame, board, box = heat_of(tall, x="20-60")
    board.focus()
    for _ in range(20):
        tall.page.keyboard.press("ArrowDown")
    for _ in range(8):
        tall.page.keyboard.press("z")
    first, last = shown(frame)
    middle = box["x"] + 600, box["y"] + 200
    tall.page.mouse.move(*middle)
    tall.page.mouse.down()
    for part in range(1, 11):
        tall.page.mouse.move(middle[0] - 20 * part, middle[1] - 10 * part)
        frame.wait_for_timeout(30)
    tall.page.mouse.up()
    moved = shown(frame)
    assert moved[0] > first
    assert moved[1] - moved[0] == last - first
    frame.wait_for_timeout(500)
    assert int(frame.get_by_label("First step in view").input_value()) > 22
    expect(frame.get_by_role("heading", name=re.compile("^Layer "))).to_have_count(0)


def test_a_box_drawn_with_alt_is_what_is_shown(tall: Any) -> None:
    frame, _, box = heat_of(tall)
    mouse, y = tall.page.mouse, box["y"] + row_top(box, SPIKE_LAYER)
    mouse.move(box["x"] + 700, y + 15)
    tall.page.keyboard.down("Alt")
    mouse.down()
    mouse.move(box["x"] + 500, y - 15, steps=5)
    expect(frame.locator(".heat .box")).to_be_visible()
    mouse.up()
    tall.page.keyboard.up("Alt")
    expect(frame.locator(".heat .box")).to_have_count(0)
    first, last = shown(frame)
    assert first <= SPIKE_LAYER + 1 <= last
    assert 20 < last - first < 80
    frame.wait_for_timeout(500)
    steps = [
        int(frame.get_by_label(f"{end} step in view").input_value()) for end in ("First", "Last")
    ]
    assert 20 < steps[0] < steps[1] < 80
    expect(frame.get_by_role("heading", name=re.compile("^Layer "))).to_have_count(0)


def test_keys_zoom_the_layers_and_the_view_follows_the_cursor(tall: Any) -> None:
    frame, board, _ = heat_of(tall)
    board.focus()
    for _ in range(20):
        tall.page.keyboard.press("z")
    first, last = shown(frame)
    assert first == 1
    for _ in range(last + 3):
        tall.page.keyboard.press("ArrowDown")
    assert shown(frame)[1] == last + 4
    tall.page.keyboard.press("x")
    assert shown(frame)[1] - shown(frame)[0] > last - first
    tall.page.keyboard.press("+")
    tall.page.keyboard.press("0")
    expect(frame.locator(".row-range")).to_have_count(0)
    expect(frame.get_by_role("button", name=re.compile("Show all: "))).to_have_count(0)


LOWER, UPPER = re.compile("lower end of the colours"), re.compile("upper end of the colours")


def test_the_colour_bar_is_dragged_and_given_back(tall: Any) -> None:
    frame, _, _ = heat_of(tall)
    upper = frame.get_by_role("slider", name=UPPER)
    before = upper.get_attribute("aria-valuetext")
    yellow = painted(frame, (253, 231, 37))
    box = frame.locator(".colour-bar").bounding_box()
    assert box
    tall.page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 6)
    tall.page.mouse.down()
    tall.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 6, steps=8)
    tall.page.mouse.up()
    chosen = upper.get_attribute("aria-valuetext")
    assert chosen != before
    expect(frame.get_by_text("values beyond it take the colour of its end")).to_be_visible()
    frame.wait_for_timeout(300)
    assert painted(frame, (253, 231, 37)) > 2 * yellow
    assert painted(frame, FAR) >= 9
    frame.get_by_role("application").first.focus()
    tall.page.keyboard.press("+")
    frame.wait_for_timeout(600)
    assert upper.get_attribute("aria-valuetext") == chosen
    frame.get_by_label("Scale").select_option("median")
    expect(frame.get_by_role("button", name="Range of the data")).to_have_count(0)


def test_the_colour_bar_is_moved_by_keyboard(tall: Any) -> None:
    frame, _, _ = heat_of(tall)
    lower = frame.get_by_role("slider", name=LOWER)
    before = float(lower.get_attribute("aria-valuenow") or "nan")
    lower.focus()
    tall.page.keyboard.press("ArrowRight")
    tall.page.keyboard.press("PageUp")
    assert float(lower.get_attribute("aria-valuenow") or "nan") > before
    expect(lower).to_be_focused()
    frame.get_by_role("button", name="Range of the data").click()
    assert float(lower.get_attribute("aria-valuenow") or "nan") == before


def outlined(frame: Frame) -> tuple[int, int]:
    """Where the picture begins and ends on its canvas, whatever room the names take: the open layer has a line around it."""
    for _ in range(100):
        columns = np.array(columns_of(frame, ".heat canvas", (31, 35, 40)), int)
        runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
        longest = max(runs, key=len)
        if len(longest) > 300:
            return int(longest[0]), int(longest[-1]) + 1
        frame.wait_for_timeout(200)
    raise AssertionError("no layer has a line around it")


def test_the_layers_at_the_cursor_are_counted_and_told(tall: Any) -> None:
    layer = f"blocks.{SPIKE_LAYER // 10}.part{SPIKE_LAYER % 10}.weight"
    frame, _, box = heat_of(tall, layer=layer)
    shown = frame.locator(".distribution")
    expect(shown.get_by_role("heading")).to_contain_text("step 99")
    expect(shown).to_contain_text("Layers with a value: 400")
    left, right = outlined(frame)
    x = left + (SPIKE_STEP + 0.5) / 100 * (right - left)
    tall.page.mouse.move(box["x"] + x, box["y"] + 100)
    expect(shown.get_by_role("heading")).to_contain_text(f"step {SPIKE_STEP}")
    expect(shown).to_contain_text(f"{layer}: 100,000 L2 norm, larger than 399 of 399 others.")
    heights = shown.locator(".bars > span").evaluate_all(
        "bars => bars.map(bar => bar.getBoundingClientRect().height)"
    )
    assert max(heights) > 100
    shown.locator("summary").click()
    expect(shown.locator("tr", has_text="this layer").locator("td").first).to_have_text("1")
