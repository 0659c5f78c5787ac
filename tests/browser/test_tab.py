"""The tab, as people see it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Frame, expect
from torch.utils.tensorboard import SummaryWriter as PlainWriter

from helpers.plugin_frame import wait_until
from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo import SCENARIOS

Open = Callable[[str], Any]
Serve = Callable[..., str]
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


def drawn(frame: Frame) -> int:
    """Pixels on the frame's canvases that are not transparent."""
    script = """() => [...document.querySelectorAll('canvas')].reduce((sum, canvas) => {
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      let count = 0;
      for (let i = 3; i < data.length; i += 4) count += data[i] > 0;
      return sum + count;
    }, 0)"""
    count: int = frame.evaluate(script)
    return count


def wait_until_drawn(frame: Frame, heading: str = "") -> None:
    """Charts are drawn when they come into view; what arrives above them may push them out of it again."""
    for _ in range(150):
        if heading:
            frame.get_by_role("heading", name=heading, exact=True).scroll_into_view_if_needed()
        if drawn(frame) > 1000:
            return
        time.sleep(0.2)
    raise AssertionError("nothing was drawn")


def test_every_run_shows_its_state(tab: Any) -> None:
    frame = tab.open()
    for scenario in SCENARIOS:
        link = frame.get_by_role("link", name=scenario.name, exact=True)
        row = frame.locator("tr").filter(has=link)
        expect(row).to_have_count(1)
        words = "Broken|Needs attention" if scenario.expected else "Healthy"
        expect(row).to_contain_text(re.compile(words))
    wait_until_drawn(frame, "Loss")  # eight runs push it below the fold


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if s.expected], ids=lambda scenario: scenario.name
)
def test_a_finding_shows_evidence_and_fix(tab: Any, scenario: Any) -> None:
    frame = tab.open(run=scenario.name, view="findings")
    expect(frame.get_by_text(scenario.expected[0]).first).to_be_visible()
    expect(frame.get_by_text("How to fix it").first).to_be_visible()
    wait_until_drawn(frame)


def test_a_cause_holds_its_symptoms(tab: Any) -> None:
    frame = tab.open(run="deep_sigmoid", view="findings")
    folded = frame.get_by_text("Symptoms that this explains").first
    folded.click()
    expect(frame.get_by_text("LD602").filter(visible=True).first).to_be_visible()


@pytest.mark.parametrize(
    ("run", "view"),
    [("deep_sigmoid", "gradients"), ("kl_collapse", "terms"), ("clip_after_step", "clipping")],
)
def test_views_draw(tab: Any, run: str, view: str) -> None:
    frame = tab.open(run=run, view=view)
    wait_until_drawn(frame)


@pytest.mark.parametrize(("run", "view"), [("healthy", "terms"), ("healthy", "clipping")])
def test_a_view_without_data_says_how_to_get_it(tab: Any, run: str, view: str) -> None:
    frame = tab.open(run=run, view=view)
    expect(
        frame.get_by_text("add_diagnostics").or_(frame.get_by_text("clip_grad_norm_")).first
    ).to_be_visible()


def test_chinese(tab: Any) -> None:
    frame = tab.open(run="overfitting", view="findings", lang="zh-CN")
    expect(frame.get_by_text("过拟合").first).to_be_visible()
    assert frame.evaluate("document.documentElement.lang") == "zh-CN"
    frame.get_by_role("button", name="en", exact=True).click()
    expect(frame.get_by_text("The model overfits").first).to_be_visible()


def test_the_theme_follows_tensorboards_switch(tab: Any) -> None:
    frame = tab.open()
    color = "getComputedStyle(document.body).backgroundColor"
    light = frame.evaluate(color)
    tab.page.locator("app-header-dark-mode-toggle button").click()
    tab.page.locator("[role=menuitem]", has_text="Dark").click()
    wait_until(frame, f"{color} !== {light!r}")


def test_the_theme_is_followed_where_no_run_is_shown(
    open_tab: Open, serve: Serve, tmp_path: Path
) -> None:
    tab = open_tab(serve(tmp_path))
    frame = tab.open()
    expect(frame.get_by_text("tb-lossdiag demo")).to_be_visible()
    tab.page.locator("app-header-dark-mode-toggle button").click()
    tab.page.locator("[role=menuitem]", has_text="Dark").click()
    expect(frame.locator("html")).to_have_attribute("data-theme", "dark")


def test_moving_through_findings_with_the_keyboard(tab: Any) -> None:
    frame = tab.open(run="deep_sigmoid", view="findings")
    frame.locator("[aria-label='List of findings'] a").first.focus()
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("Enter")
    expect(frame.get_by_text("How to fix it").first).to_be_visible()


def test_an_empty_folder_says_what_to_write(open_tab: Open, serve: Serve, tmp_path: Path) -> None:
    with PlainWriter(tmp_path / "plain") as writer:
        writer.add_scalar("accuracy", 1.0, 0)
    frame = open_tab(serve(tmp_path)).open()
    expect(frame.get_by_text("from tb_lossdiag import SummaryWriter").first).to_be_visible()
    expect(frame.get_by_text("plain").first).to_be_visible()


def test_hostile_names_are_text(open_tab: Open, serve: Serve, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run <b>bold</b>") as writer:
        for step in range(40):
            value = float("nan") if step > 20 else 1.0
            writer.add_diagnostics(loss_terms={HOSTILE: value}, loss=value, global_step=step)
    tab = open_tab(serve(tmp_path))
    frame = tab.open(view="findings")
    expect(frame.get_by_text("LD101").filter(visible=True).first).to_be_visible()
    frame = tab.open(view="terms")
    wait_until_drawn(frame)
    assert frame.evaluate("document.querySelectorAll('img, b').length") == 0
    assert "owned" not in frame.evaluate("document.title")


def test_new_records_arrive_without_reloading(open_tab: Open, serve: Serve, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        for step in range(30):
            writer.add_diagnostics(loss=1.0, global_step=step)
        writer.flush()
        frame = open_tab(serve(tmp_path)).open()
        expect(frame.get_by_label("Last step in view")).to_have_value("29")
        for step in range(30, 45):
            writer.add_diagnostics(loss=float("nan"), global_step=step)
        writer.flush()
        expect(frame.get_by_text("Broken").first).to_be_visible(timeout=30_000)


def test_a_path_prefix_changes_nothing(open_tab: Open, serve: Serve, demo_logdir: Path) -> None:
    address = serve(demo_logdir, "--path_prefix", "/deep/er")
    frame = open_tab(f"{address}/deep/er").open()
    expect(frame.get_by_role("link", name="clip_after_step").first).to_be_visible()
