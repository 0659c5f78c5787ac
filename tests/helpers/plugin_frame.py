"""The plugin's frame in an open TensorBoard."""

from __future__ import annotations

from playwright.sync_api import Frame, Page


def plugin_frame(page: Page) -> Frame:
    """The frame, once it shows its title."""
    handle = page.wait_for_selector("iframe[src*='plugin_entry.html?name=lossdiag']")
    frame = handle.content_frame() if handle else None
    assert frame is not None
    frame.wait_for_selector("text=Loss Doctor")
    return frame
