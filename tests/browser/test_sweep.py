"""A sweep in the tab: what is wrong with which runs, and what they have in common, without opening one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Frame, expect

from helpers.sweeps import members, write_sweep
from helpers.tensorboard_process import serving

Open = Callable[[str], Any]
COUNT = 60
MANY = 240
"""As many take so long to judge that a person would not wait."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on a sweep of two seeds."""
    logdir = tmp_path_factory.mktemp("sweep")
    write_sweep(logdir, COUNT)
    with serving(str(logdir), strict=True) as base:
        yield base


@pytest.fixture
def sweep(open_tab: Open, address: str) -> Any:
    """A tab on it, as large as a laptop's."""
    tab = open_tab(address)
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    return tab


def wait_until_judged(frame: Frame) -> None:
    expect(frame.locator("tr.group-row").first).to_be_visible()
    expect(frame.get_by_text(re.compile(r"\d+ of \d+ judged"))).to_have_count(0)


def test_causes_are_counted_and_what_they_have_in_common_is_said(sweep: Any) -> None:
    frame = sweep.open()
    wait_until_judged(frame)
    rows = frame.locator("tr.group-row")
    expect(rows.first).to_contain_text("LD101")
    expect(rows.first).to_contain_text("every lr=0.01 + opt=sgd (6)")
    fast = rows.filter(has_text="LD601")
    expect(fast).to_contain_text(f"{sum(member.too_fast for member in members(COUNT))} runs")
    expect(fast).to_contain_text("every lr=10.0 (12)")
    expect(fast).to_contain_text("every lr=1.0 + opt=adam (6)")
    assert frame.locator("tr").count() < 20


def test_one_click_shows_all_runs_with_a_cause_and_a_second_one_of_them(sweep: Any) -> None:
    frame = sweep.open()
    wait_until_judged(frame)
    frame.get_by_role("button", name=re.compile("LD101")).click()
    found = frame.locator("tr.run-row")
    expect(found).to_have_count(6)
    expect(found.first.locator("svg.spark .spark-broken")).to_have_count(1)
    found.first.get_by_role("link").click()
    expect(found.first).to_have_class(re.compile("selected"))
    assert "p.lossdiag.run=lr" in sweep.page.evaluate("location.hash")


def test_a_filter_is_part_of_the_link_and_scrolling_makes_only_what_is_in_view(sweep: Any) -> None:
    frame = sweep.open(group="none")
    expect(frame.locator("tr.run-row").first).to_be_visible()
    table = frame.locator("table.runs")
    expect(table).to_have_attribute("aria-rowcount", str(COUNT + 1))
    assert frame.locator("tr.run-row").count() < COUNT
    frame.locator(".runs-box").evaluate("box => box.scrollTo(0, 1e6)")
    last = f"[aria-rowindex='{COUNT + 1}']"
    expect(frame.locator(last)).to_be_visible()
    frame.get_by_role("searchbox", name="Filter runs").fill("/lr=10?\\.0_.*seed=1/")
    expect(frame.get_by_text("12 of 60 runs")).to_be_visible()
    assert "p.lossdiag.q=" in sweep.page.evaluate("location.hash")
    frame.get_by_role("button", name="Show all runs").click()
    expect(table).to_have_attribute("aria-rowcount", str(COUNT + 1))


def test_the_worst_of_a_group_is_compared_with_the_best_of_all(sweep: Any) -> None:
    frame = sweep.open()
    wait_until_judged(frame)
    row = frame.locator("tr.group-row").filter(has_text="LD601")
    row.get_by_role("link", name="vs best").click()
    expect(frame.get_by_role("heading", name="What differs")).to_be_visible()
    expect(frame.get_by_text("learning rate · group 0").first).to_be_visible()


def test_a_run_is_opened_while_hundreds_are_still_being_judged(
    open_tab: Open, serve: Callable[..., str], tmp_path: Path
) -> None:
    """The one that is clicked comes before all others, and the list fills as it goes."""
    write_sweep(tmp_path, MANY)
    tab = open_tab(serve(tmp_path))
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    frame = tab.open()
    progress = frame.get_by_text(re.compile(rf"\d+ of {MANY} judged"))
    waiting = frame.locator("tr.run-row").filter(has_text="Reading")
    waiting.nth(7).get_by_role("link").click()
    # Its cause, its fix and its loss are there; the others are not judged yet, and go on.
    answer = frame.locator(".one-run")
    expect(answer.locator(".leading, .note").first).to_be_visible()
    expect(answer.locator("canvas").first).to_be_visible()
    said = progress.text_content(timeout=1000) or ""
    judged = int(said.split()[0])
    assert judged < MANY
    expect(progress).not_to_have_text(said)
    assert "p.lossdiag.run=lr" in tab.page.evaluate("location.hash")


def test_a_view_shows_the_worst_run_so_far_and_a_name_can_be_typed(
    open_tab: Open, serve: Callable[..., str], tmp_path: Path
) -> None:
    write_sweep(tmp_path, MANY)
    tab = open_tab(serve(tmp_path))
    frame = tab.open()
    progress = frame.get_by_text(re.compile(rf"\d+ of {MANY} judged"))
    expect(progress).to_be_visible()
    box = frame.get_by_role("combobox", name="Run", exact=True)
    expect(box).to_have_attribute("placeholder", "type or pick a run")
    frame.get_by_role("link", name="Report").click()
    expect(frame.locator("iframe.report-page")).to_be_visible()
    frame.get_by_role("link", name="Overview").click()
    expect(progress).to_be_visible()
    box.fill(next(members(MANY)).name)
    expect(frame.locator(".one-run > h2")).to_contain_text(next(members(MANY)).name)


def test_settings_stand_beside_what_came_of_them(sweep: Any) -> None:
    """Which value goes with good and which with bad, without opening a run; only what is listed counts if one says so."""
    frame = sweep.open()
    wait_until_judged(frame)
    frame.get_by_role("link", name="Settings and outcome").click()
    first = frame.locator(".factor").first
    expect(first).to_contain_text(re.compile(r"lr \+ opt.*explains [89]\d % of the order"))
    broken = first.get_by_role("row", name=re.compile(r"^0\.01 · sgd"))
    expect(broken).to_contain_text("Broken 6")
    expect(broken).not_to_contain_text("Nothing found")
    # Six crosses at the right edge, in the colour of an error, on the screen.
    crosses = broken.locator(".strip-bad")
    assert (crosses.get_attribute("d") or "").count("M194.0") == 6
    assert crosses.bounding_box()
    sound = first.get_by_role("row", name=re.compile(r"^0\.1 · sgd"))
    expect(sound).to_contain_text("Nothing found 6")
    points = sound.locator(".strip-good").bounding_box()
    edge = broken.locator("svg").bounding_box()
    assert points
    assert edge
    assert points["x"] < edge["x"] + 60
    expect(frame.locator(".factor-name").nth(1)).to_have_text("lr")
    sound.get_by_role("link").click()
    expect(frame.locator(".one-run > h2")).to_contain_text("lr=0.1_opt=sgd")


def test_of_what_is_listed_alone_the_settings_are_told(sweep: Any) -> None:
    frame = sweep.open(view="compare", q="/lr=10?\\.0/".replace("\\", "%5C"))
    wait = frame.locator(".factor").first
    expect(wait).to_be_visible()
    expect(frame.get_by_label("Runs", exact=True)).to_have_value("listed")
    expect(frame.locator(".factor").filter(has_text="adam").first).to_be_visible()
    expect(frame.get_by_role("row", name=re.compile(r"^0\.1 "))).to_have_count(0)


def test_four_runs_beside_each_other_say_the_best_and_first_what_differs(sweep: Any) -> None:
    names = [member.name for member in members(COUNT)]
    wanted = [
        next(n for n in names if n.startswith(f"lr={lr}_opt=sgd")) for lr in (10.0, 0.1, 0.01)
    ]
    chosen = ",".join(name.replace("=", "%253D") for name in [*wanted[1:], names[-1]])
    frame = sweep.open(view="compare", run=wanted[0].replace("=", "%3D"), cmp=chosen)
    outcome = frame.get_by_role("region", name="What came of it")
    expect(outcome.locator("th[scope=col]")).to_have_count(5)
    expect(outcome.get_by_role("row", name=re.compile("^Last loss"))).to_contain_text("NaN")
    best = outcome.locator("td.best")
    expect(best).to_have_count(1)
    expect(best).to_contain_text("✓ best")
    differs = frame.get_by_role("region", name="Fact").locator("tbody tr")
    expect(differs.first).to_contain_text("learning rate")
    column = outcome.locator("th[scope=col]").nth(2).bounding_box()
    below = frame.get_by_role("region", name="Fact").locator("th[scope=col]").nth(2).bounding_box()
    assert column
    assert below
    assert abs(column["x"] - below["x"]) < 1, "tables under each other do not line up"


def test_runs_are_ticked_in_the_list_and_compared(sweep: Any) -> None:
    frame = sweep.open(group="none")
    wait = frame.get_by_text(re.compile(r"\d+ of \d+ judged"))
    expect(frame.locator("tr.run-row").first).to_be_visible()
    expect(wait).to_have_count(0)
    ticks = frame.locator("tr.run-row .tick")
    names = [ticks.nth(at).get_attribute("title") or "" for at in (0, 2, 5)]
    for at in (0, 2, 5):
        ticks.nth(at).check()
    ticks.nth(1).check()
    ticks.nth(1).uncheck()
    frame.get_by_role("link", name="Compare what is ticked (3)").click()
    columns = frame.get_by_role("region", name="What came of it").locator("th[scope=col]")
    expect(columns).to_have_count(4)
    for at, name in enumerate(names):
        expect(columns.nth(at + 1)).to_contain_text(name.removeprefix("Compare "))
