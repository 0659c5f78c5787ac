"""The exported tab, from a disk: no server, every view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from helpers.full_run import write_everything
from tb_lossdiag.cli import main


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the exported page of made runs in which every view has something to show."""
    folder = tmp_path_factory.mktemp("site")
    write_everything(folder / "runs")
    assert main(["export", str(folder / "runs"), str(folder / "site")]) == 0
    return Path(folder / "site" / "index.html").as_uri()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose console complains of nothing."""
    complaints: list[str] = []
    opened = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-US")
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    opened.set_default_timeout(60_000)
    yield opened
    opened.close()
    assert complaints == []


def go(page: Page, index: str, keys: str) -> None:
    page.goto("about:blank")
    page.goto(f"{index}#lossdiag&p.lossdiag.run=sick{keys}")


def test_every_view_works_from_a_disk(page: Page, index: str) -> None:
    for view in ("overview", "findings", "gradients", "terms", "clipping", "activations"):
        go(page, index, f"&p.lossdiag.view={view}")
        drawn = "main svg.spark" if view == "activations" else "main canvas"
        expect(page.locator(drawn).first).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
    go(page, index, "&p.lossdiag.view=compare&p.lossdiag.cmp=healthy")
    expect(page.get_by_role("heading", name="What differs")).to_be_visible()
    expect(page.get_by_text("The curves part at step").first).to_be_visible()
    go(page, index, "&p.lossdiag.view=gradients&p.lossdiag.layer=head.weight")
    expect(page.locator("main canvas").nth(2)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_it_says_that_it_was_exported_and_does_not_wait_for_more(page: Page, index: str) -> None:
    go(page, index, "&p.lossdiag.view=overview")
    bar = page.locator("header.bar")
    expect(bar).to_contain_text("Exported")
    expect(bar.get_by_role("checkbox")).to_have_count(0)
    expect(bar).not_to_contain_text("no end recorded")
    expect(page.locator("main h2").first).to_contain_text("last record at")
    expect(page.get_by_text("growing")).to_have_count(0)


def test_the_report_is_shown_and_saved(page: Page, index: str) -> None:
    go(page, index, "&p.lossdiag.view=report")
    report = page.frame_locator("iframe.report-page")
    expect(report.get_by_role("link", name="sick")).to_be_visible()
    with page.expect_download() as saving:
        page.get_by_role("link", name="Save HTML page").click()
    saved = Path(saving.value.path()).read_text("utf-8")
    assert saved.startswith("<!doctype html>")
    assert "LD101" in saved
