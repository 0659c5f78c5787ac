"""The plugin's frame in an open TensorBoard, and waiting in it."""

from __future__ import annotations

from playwright.sync_api import Frame, Page

VIEWS = [
    "overview",
    "findings",
    "gradients",
    "terms",
    "clipping",
    "activations",
    "compare",
    "report",
]
"""What the tab can show, in its order."""


def plugin_frame(page: Page) -> Frame:
    """The frame, once it shows its title."""
    handle = page.wait_for_selector("iframe[src*='plugin_entry.html?name=lossdiag']")
    frame = handle.content_frame() if handle else None
    assert frame is not None
    frame.wait_for_selector("text=Loss Doctor")
    return frame


def settled(frame: Frame) -> None:
    """Wait until its view is there whole: headings and no place that is still empty."""
    frame.wait_for_selector("main h2, main h3")
    frame.wait_for_selector(".skeleton", state="detached")
    frame.wait_for_timeout(300)


def wait_until(frame: Frame, condition: str) -> None:
    """Ask until it holds, from here: Playwright's own waiting evaluates in the page, which its content policy refuses."""
    for _ in range(150):
        if frame.evaluate(condition):
            return
        frame.wait_for_timeout(200)
    raise AssertionError(f"not so after half a minute: {condition}")
