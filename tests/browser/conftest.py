"""A real TensorBoard in a real Chromium, under the content policy without `unsafe-eval`."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Frame, Page, expect, sync_playwright

from helpers.edge_runs import write_edges
from helpers.full_run import write_everything
from helpers.plugin_frame import plugin_frame
from helpers.tensorboard_process import serving

ARTIFACTS = Path(__file__).parent / "artifacts"
PATIENCE = 30_000
"""Milliseconds that a page may take on a loaded machine, whatever is waited for; five are Playwright's own for what is expected."""
expect.set_options(timeout=PATIENCE)
LATE = os.environ.get("LATE_ANSWERS", "")
"""A seed: each answer of the server is up to a second and a half late, and they come in another order, as on a machine under load."""
HELD_BACK = """
const answered = window.fetch;
let state = SEED;
const drawn = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
window.fetch = async (...of) => {
  const answer = await answered(...of);
  await new Promise(done => setTimeout(done, 1500 * drawn()));
  return answer;
};
"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Tab:
    """The open page and what its console complained about."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    opened: int = 0

    def open(self, **place: str) -> Frame:
        """Open the tab at a deep link and wait for its frame."""
        keys = "".join(f"&p.lossdiag.{key}={value}" for key, value in place.items())
        self.opened += (
            1  # another address each time: what differs behind the # alone is no new page
        )
        self.page.goto(f"{self.address}/?fresh={self.opened}#lossdiag{keys}")
        return self.frame()

    def frame(self) -> Frame:
        """The plugin's frame, once it shows its title."""
        return plugin_frame(self.page)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: named by CHROME, found on the machine, or Playwright's own."""
    path = os.environ.get("CHROME") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        pause = (
            400 if LATE else 0
        )  # milliseconds between actions, so that answers fall between any two
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS, slow_mo=pause)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def address(demo_logdir: Path) -> Iterator[str]:
    """TensorBoard on the demo's runs."""
    with serving(str(demo_logdir), strict=True) as base:
        yield base


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on made runs in which every view has something to show."""
    logdir = tmp_path_factory.mktemp("everything")
    write_everything(logdir)
    with serving(str(logdir), strict=True) as base:
        yield base


@pytest.fixture(scope="session")
def edges_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on runs at the edges."""
    logdir = tmp_path_factory.mktemp("edges")
    write_edges(logdir)
    with serving(str(logdir), strict=True) as base:
        yield base


def note(tab: Tab, message: ConsoleMessage) -> None:
    """Keep an error of the console; TensorBoard's own page misses its fonts under a path prefix."""
    if message.type == "error" and "/font-roboto/" not in message.location["url"]:
        tab.complaints.append(f"{message.text} {message.location['url']}")


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start TensorBoard on a folder; it ends after the tabs are closed."""
    with ExitStack() as stack:
        yield lambda logdir, *options: stack.enter_context(
            serving(str(logdir), *options, strict=True)
        )


@pytest.fixture
def open_tab(
    browser: Browser, request: pytest.FixtureRequest, serve: Callable[..., str]
) -> Iterator[Callable[[str], Tab]]:
    """Make tabs; a failing test leaves its screenshot, any console error fails it."""
    tabs: list[Tab] = []

    def make(address: str) -> Tab:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
        tab = Tab(context.new_page(), address)
        tab.page.on("console", lambda message: note(tab, message))
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.set_default_timeout(PATIENCE)
        if LATE:
            tab.page.add_init_script(HELD_BACK.replace("SEED", str(int(LATE))))
        tabs.append(tab)
        return tab

    failed = request.session.testsfailed
    yield make
    for index, tab in enumerate(tabs):
        if request.session.testsfailed > failed or tab.complaints:
            ARTIFACTS.mkdir(exist_ok=True)
            name = re.sub(r"\W+", "_", f"{request.node.name}_{index}")
            tab.page.screenshot(path=ARTIFACTS / f"{name}.png")
        tab.page.context.close()
    assert [text for tab in tabs for text in tab.complaints] == []


@pytest.fixture
def tab(open_tab: Callable[[str], Tab], address: str) -> Tab:
    """A tab on the demo's runs."""
    return open_tab(address)


@pytest.fixture
def made(open_tab: Callable[[str], Tab], everything: str) -> Tab:
    """A tab on the runs that have everything."""
    return open_tab(everything)


@pytest.fixture
def edges(open_tab: Callable[[str], Tab], edges_address: str) -> Tab:
    """A tab of a usual screen's size on runs at the edges."""
    tab = open_tab(edges_address)
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    return tab
