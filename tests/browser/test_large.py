"""Runs as large and as hostile as they get."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Frame, expect

from helpers.tensorboard_process import serving
from helpers.written_runs import windowed, write_run
from tb_lossdiag.quantities import (
    GRADIENT_NONFINITE,
    GRADIENT_NORM,
    LOSS,
    LOSS_NONFINITE,
    LOSS_TERM,
)
from tb_lossdiag.records import table

Open = Callable[[str], Any]
Serve = Callable[..., str]

STEPS, WINDOW, LAYERS = 100_000, 64, 1000
SPIKE_STEP, SPIKE_LAYER, SPIKE = 41_003, 612, 777.25
NAN_STEP, NAN_LAYER = 73_211, 37


def names() -> list[str]:
    return [f"blocks.{i // 10}.part{i % 10}.weight" for i in range(LAYERS)]


def write_large(folder: Path) -> None:
    """100,000 steps of 1,000 layers as windows of 64 steps; one spike and one NaN are inside of windows, never at their end."""
    used = STEPS // WINDOW * WINDOW
    steps = np.arange(WINDOW - 1, used, WINDOW, dtype=np.int64)
    rng = np.random.default_rng(0)
    level = rng.lognormal(-2, 0.5, LAYERS).astype(np.float32)
    noise = rng.lognormal(0, 0.1, (4096, LAYERS)).astype(np.float32)
    values = np.concatenate([noise] * (used // 4096 + 1))[:used] * level
    values[SPIKE_STEP, SPIKE_LAYER] = SPIKE
    broken = np.zeros((len(steps), LAYERS), np.float32)
    broken[NAN_STEP // WINDOW, NAN_LAYER] = 1
    tables = [
        *windowed(GRADIENT_NORM, values, steps, names()),
        table(GRADIENT_NONFINITE, steps, broken, names()),
        table(LOSS, steps, np.linspace(3, 1, len(steps))),
    ]
    write_run(folder, tables, {"optimizer": "AdamW"}, seconds_per_step=0.001)


def pixels(frame: Frame) -> dict[str, int]:
    """How many pixels of the picture have the colour of NaN, and that of far above the scale."""
    script = """() => {
      const canvas = document.querySelector('.heat canvas');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      const count = {nan: 0, far: 0};
      for (let at = 0; at < data.length; at += 4) {
        if (data[at] === 214 && data[at + 1] === 40 && data[at + 2] === 40) count.nan++;
        if (data[at] === 255 && data[at + 1] === 0 && data[at + 2] === 200) count.far++;
      }
      return count;
    }"""
    found: dict[str, int] = frame.evaluate(script)
    return found


def test_one_spike_and_one_nan_among_a_hundred_million(
    open_tab: Open, serve: Serve, tmp_path: Path
) -> None:
    write_large(tmp_path / "large")
    frame = open_tab(serve(tmp_path)).open(view="gradients")
    events = frame.get_by_role("list", name="What stands out").get_by_role("button")
    expect(events).to_have_count(2, timeout=60_000)
    nan, spike = events.all_inner_texts()
    first, last = (
        (int(text.replace(",", "")) for text in re.findall(r"[\d,]{4,}", nan.partition(":")[0]))
        if "–" in nan
        else (NAN_STEP // WINDOW * WINDOW + WINDOW - 1,) * 2
    )
    assert names()[NAN_LAYER] in nan
    assert first - WINDOW < NAN_STEP <= last
    assert names()[SPIKE_LAYER] in spike
    assert "777" in spike
    seen = {"nan": 0, "far": 0}
    for _ in range(50):
        seen = pixels(frame)
        if seen["nan"] and seen["far"]:
            break
        time.sleep(0.2)
    # Three by three pixels at least, the hatch of NaN a third white.
    assert seen["far"] >= 9
    assert seen["nan"] >= 4
    events.nth(1).click()
    expect(frame.get_by_text("largest 777").first).to_be_attached()
    described = frame.get_by_text(f"largest 777 at step {SPIKE_STEP:,}")
    expect(described.first).to_be_attached()


def test_a_training_in_another_process_is_watched(
    open_tab: Open, serve: Serve, tmp_path: Path
) -> None:
    code = """
import pathlib, sys, time, torch
from tb_lossdiag import SummaryWriter
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
with SummaryWriter(sys.argv[1]) as writer:
    broken = False
    for step in range(4000):
        now = not broken and pathlib.Path(sys.argv[2]).exists()
        broken = broken or now
        x = torch.randn(16, 4)
        loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        optimizer.zero_grad()
        (loss * (float("nan") if now else 1.0)).backward()
        writer.add_diagnostics(model, optimizer=optimizer, loss=loss, global_step=step)
        writer.flush()
        optimizer.step()
        time.sleep(0.05)
"""
    go = tmp_path / "go"
    training = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "live"), str(go)])
    try:
        frame = open_tab(serve(tmp_path)).open(run="live")
        expect(frame.get_by_text("last record")).to_be_visible(timeout=60_000)
        last = frame.get_by_label("Last step in view")
        expect(
            frame.get_by_text(re.compile("No problems found|Too few records")).first
        ).to_be_visible()
        # A range whose end the run has not reached would end where the run does now.
        expect(last).to_have_value(re.compile(r"^(2[1-9]|[3-9]\d|\d{3,})$"), timeout=60_000)
        frame.get_by_label("First step in view").fill("3")
        frame.get_by_label("First step in view").press("Enter")
        last.fill("20")
        last.press("Enter")
        go.touch()
        expect(frame.get_by_text("LD206").first).to_be_visible(timeout=90_000)
        expect(last).to_have_value("20")
        expect(frame.get_by_text("new steps")).to_be_visible()
    finally:
        training.terminate()
        training.wait(20)


HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "</script><script>document.title='owned'</script>",
    '=HYPERLINK("http://x","y")',
    "a" * 10_000,
    "tab\tnew\nline \x07 bell",
    "right \u202eto left",
    "'; DROP TABLE runs; --",
    "{{constructor.constructor('document.title=1')()}}",
]


@pytest.fixture(scope="module")
def hostile_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on a run all of whose names are hostile."""
    logdir = tmp_path_factory.mktemp("hostile")
    steps = np.arange(60)
    values = np.ones((60, len(HOSTILE)))
    values[40:] = np.nan
    layers = [*HOSTILE, "plain.weight"]
    norms = np.ones((60, len(layers)))
    norms[30, 0] = 900
    loss = np.where(steps < 40, 1.0, np.nan)
    parts = [
        table(LOSS, steps, loss),
        table(LOSS_NONFINITE, steps, steps >= 40),
        table(LOSS_TERM, steps, values, HOSTILE),
        table(GRADIENT_NORM, steps, norms, layers),
        table(GRADIENT_NONFINITE, steps, np.isnan(norms), layers),
    ]
    write_run(logdir / "run <b>bold</b>", parts, {"optimizer": "<i>SGD</i>"})
    with serving(str(logdir), strict=True) as base:
        yield base


@pytest.fixture
def hostile(open_tab: Open, hostile_address: str) -> Any:
    """A tab on it."""
    return open_tab(hostile_address)


@pytest.mark.parametrize(
    "view", ["overview", "findings", "gradients", "terms", "report", "compare"]
)
def test_hostile_names_are_text_in_every_view(hostile: Any, view: str) -> None:
    frame = hostile.open(view=view)
    expect(frame.locator("main h2").first).to_be_visible()
    expect(frame.locator(".skeleton")).to_have_count(0)
    frame.wait_for_timeout(500)
    assert frame.evaluate("document.querySelectorAll('main img, main b, main i').length") == 0
    assert "owned" not in frame.evaluate("document.title")
    width = frame.evaluate("document.documentElement.scrollWidth")
    assert width <= 1280


def test_hostile_names_stay_text_in_what_is_saved(hostile: Any) -> None:
    frame = hostile.open(view="gradients")
    saved = {}
    frame.locator(".legend .menu > summary").click()
    for kind in ("SVG", "CSV"):
        with hostile.page.expect_download() as download:
            frame.get_by_role("button", name=f"Save as {kind}").first.click()
        saved[kind] = Path(download.value.path()).read_text(encoding="utf-8")
    assert "<img" not in saved["SVG"]
    assert "<script" not in saved["SVG"]
    rows = list(csv.reader(io.StringIO(saved["CSV"], newline="")))
    assert {row[1] for row in rows if "HYPERLINK" in row[1]} == {'\'=HYPERLINK("http://x","y")'}
    assert all(len(row) == len(rows[0]) for row in rows)
