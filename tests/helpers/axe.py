"""What axe-core finds wrong with a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Frame, expect

AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def settle(frame: Frame) -> None:
    """Wait until nothing is loading any more."""
    expect(frame.locator("main")).to_be_visible()
    expect(frame.locator(".skeleton")).to_have_count(0)
    frame.wait_for_timeout(300)


def faults(frame: Frame) -> list[str]:
    """As rule and place, seen from the top: what has been scrolled below the bar is not covered for good."""
    frame.evaluate("scrollTo(0, 0)")
    frame.evaluate(AXE.read_text(encoding="utf-8"))
    found = frame.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", RULES
    )
    return [f"{v['id']}: {node['html'][:160]}" for v in found["violations"] for node in v["nodes"]]
