"""Names that want to be more than text, in every view and every file that the page saves, under a policy that allows no such thing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Dialog, Download, Error, Frame, Locator, Page, Request, expect

from helpers.hostile_names import NAMES, UNSEEN, folder_name, write_hostile
from helpers.tensorboard_process import serving

SICK, HEALTHY = (f"{index} {folder_name(NAMES['clears the screen'])}" for index in range(2))
VIEWS = (
    "overview",
    "findings",
    "gradients",
    "terms",
    "clipping",
    "activations",
    "compare",
    "report",
)
REPORT = "main iframe.report-page[sandbox='allow-same-origin allow-modals']"
"""The frame of the shown report, the only one of ours: it may be printed, it may run nothing."""
STRANGE = (
    *("img", "script:not([type=module])", "object", "embed", "form", "base", "link"),
    *("meta", "style", "a[href^=javascript]", "[onload]", "[onerror]", "[onclick]"),
)
"""Elements that no view of ours has, and no report."""
INSIDE = """(frame, strange) => {
    const shown = frame.contentDocument;
    const links = [...shown.querySelectorAll("a")].map((link) => link.getAttribute("href"));
    return {
        hacked: frame.contentWindow.hacked ?? null,
        head: [...shown.head.children].map((element) => element.localName),
        strange: [...shown.body.querySelectorAll(strange)].map((element) => element.outerHTML),
        outside: links.filter((href) => !/^#run\\d+$/.test(href)),
    };
}"""
"""What a shown report has, asked from outside, for nothing runs in it."""
QUIET = {"hacked": None, "head": ["meta", "meta", "title", "style"], "strange": [], "outside": []}
FILES = "main .export button, main .sharing button:has-text('JSON')"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on runs with such names."""
    logdir = tmp_path_factory.mktemp("hostile")
    write_hostile(logdir)
    with serving(str(logdir), strict=True) as base:
        yield base


@pytest.fixture
def watched(open_tab: Callable[[str], Any], hostile: str) -> Iterator[Any]:
    """A tab in which nothing may be asked of another server and no dialog may open."""
    tab = open_tab(hostile)
    wrong: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((hostile, "data:", "blob:")):
            wrong.append(request.url)

    def opened(dialog: Dialog) -> None:
        wrong.append(dialog.message)
        dialog.dismiss()

    tab.page.on("request", asked)
    tab.page.on("dialog", opened)
    yield tab
    assert wrong == []


def _settle(frame: Frame) -> None:
    expect(frame.locator("main")).to_be_visible()
    expect(frame.locator(".skeleton")).to_have_count(0)
    frame.wait_for_timeout(300)


def _harmless(frame: Frame, page: Page) -> None:
    assert frame.evaluate("window.hacked") is None
    assert page.evaluate("window.hacked") is None
    nowhere = (*STRANGE, f"iframe:not({REPORT})")
    strange = frame.locator(", ".join(f"body {selector}" for selector in nowhere))
    assert strange.evaluate_all("found => found.map(e => e.outerHTML)") == []
    places = frame.locator("main a").evaluate_all("links => links.map(link => link.origin)")
    assert len(set(places)) <= 1


def _quiet(report: Locator, articles: int) -> None:
    """Once the report is there whole, its names are nothing but text in it, too."""
    expect(report.content_frame.locator("article")).to_have_count(articles)
    assert report.evaluate(INSIDE, ", ".join((*STRANGE, "iframe", "script"))) == QUIET


def _saved(page: Page, button: Locator) -> tuple[str, bytes]:
    """A file's name and content. Chromium lets a page save ten in a row, then it swallows one: that one is asked for again."""
    download = _download(page, button) or _download(page, button)
    assert download is not None, button
    return download.suggested_filename, Path(download.path()).read_bytes()


def _download(page: Page, button: Locator) -> Download | None:
    try:
        with page.expect_download(timeout=10_000) as download:
            button.click()
    except Error:
        return None
    return download.value


def _whole(name: str, content: bytes) -> None:
    """A file is of its kind, and its names are nothing but text."""
    assert UNSEEN.search(name) is None
    assert not name.startswith(".")
    if name.endswith("png"):
        assert content.startswith(b"\x89PNG")
        return
    text = content.decode()
    if name.endswith("svg"):
        drawn = list(ET.fromstring(text).iter())  # noqa: S314  (what the page has just made)
        kinds = {element.tag.rpartition("}")[2] for element in drawn}
        assert not kinds & {"script", "foreignObject", "a", "use", "iframe"}, kinds
        links = [value for e in drawn for key, value in e.attrib.items() if key.endswith("href")]
        assert all(link.startswith("data:image/png") for link in links)
        assert not [key for e in drawn for key in e.attrib if key.startswith("on")]
    elif name.endswith("csv"):
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert len({len(row) for row in rows}) == 1
        assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "@"))]
    elif name.endswith("json"):
        json.loads(text)
        return
    assert UNSEEN.search(text.replace("\r\n", "\n").replace("\t", "")) is None


@pytest.mark.parametrize("lang", ["en", pytest.param("zh-CN", marks=pytest.mark.torture)])
@pytest.mark.parametrize("view", VIEWS)
def test_names_are_nothing_but_text(watched: Any, view: str, lang: str) -> None:
    frame = watched.open(run=quote(SICK), cmp=quote(HEALTHY), view=view, lang=lang)
    _settle(frame)
    for summary in frame.locator("main summary:visible").all():
        summary.click()
    _harmless(frame, watched.page)
    buttons = frame.locator(FILES) if lang == "en" else frame.locator("nothing")
    for button in buttons.all():
        _whole(*_saved(watched.page, button))
    _harmless(frame, watched.page)


def test_names_are_nothing_but_text_in_the_shown_report(watched: Any) -> None:
    frame = watched.open(run=quote(SICK), view="report")
    report = frame.locator(REPORT)
    _quiet(report, 1)
    frame.get_by_label("Runs", exact=True).select_option("all")
    _quiet(report, len(NAMES) + 2)
    told = report.content_frame.get_by_role("link").all_inner_texts()
    for kind in ("script", "image", "attribute", "style", "address", "markdown link", "template"):
        assert folder_name(NAMES[kind]) in told
    _harmless(frame, watched.page)


def test_the_report_and_its_files_are_whole(watched: Any) -> None:
    frame = watched.open(run=quote(SICK), view="report")
    _settle(frame)
    for link in frame.locator("main a[download]").all():
        _whole(*_saved(watched.page, link))


def test_every_run_is_listed_and_opens(watched: Any) -> None:
    frame = watched.open(run=quote(SICK), group="none")
    _settle(frame)
    rows = frame.locator("table.runs")
    expect(rows).to_have_attribute("aria-rowcount", str(len(NAMES) + 3))
    for kind in ("script", "line feed", "prototype", "constructor", "template", "entity", "path"):
        name = folder_name(NAMES[kind])
        frame = watched.open(run=quote(name), view="findings")
        _settle(frame)
        _harmless(frame, watched.page)
        assert watched.page.evaluate("location.hash")
