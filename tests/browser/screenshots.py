"""The README's pictures, taken of the demo's runs in a real TensorBoard: `python3 tasks.py screenshots`.

With `--gallery` thirty others, of all views and all kinds of runs, into build/gallery.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import gallery

from helpers.plugin_frame import plugin_frame, settled
from helpers.tensorboard_process import serving
from tb_lossdiag.cli import main as tb_lossdiag

PLACE = Path(__file__).parents[2] / "frontend" / "screenshots"
SIZE = {"width": 1180, "height": 860}
SHOTS = {
    "findings-light": {"run": "deep_sigmoid", "view": "findings", "lang": "en"},
    "findings-dark": {"run": "deep_sigmoid", "view": "findings", "lang": "en"},
    "overview-light": {"run": "learning_rate_too_high", "view": "overview", "lang": "en"},
    "overview-dark": {"run": "learning_rate_too_high", "view": "overview", "lang": "en"},
    "gradients-light": {"run": "deep_sigmoid", "view": "gradients", "lang": "en"},
    "findings-zh": {"run": "sigmoid_before_bce", "view": "findings", "lang": "zh-CN"},
}
"""What each shows; the name's end is the theme or the language."""


def shoot(browser: Browser, address: str, name: str, place: dict[str, str]) -> None:
    """Take one picture."""
    page = browser.new_page(viewport=SIZE, locale="en-US")  # type: ignore[arg-type]
    page.set_default_timeout(60_000)
    keys = "".join(f"&p.lossdiag.{key}={value}" for key, value in place.items())
    page.goto(f"{address}/#lossdiag{keys}")
    frame = plugin_frame(page)
    settled(frame)
    if name.endswith("dark"):
        page.locator("app-header-dark-mode-toggle button").click()
        page.get_by_text("Dark", exact=False).last.click()
    time.sleep(3)  # charts are drawn when they come into view
    page.screenshot(path=PLACE / f"{name}.png")
    page.close()


def main() -> None:
    """Train, serve, take all pictures."""
    PLACE.mkdir(exist_ok=True)
    path = os.environ.get("CHROME") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        logdir = sys.argv[1] if len(sys.argv) > 1 else folder
        if logdir == folder:
            tb_lossdiag(["demo", "--logdir", logdir])
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        with serving(logdir) as address:
            for name, place in SHOTS.items():
                shoot(browser, address, name, place)
        browser.close()


if __name__ == "__main__":
    if "--gallery" in sys.argv:
        gallery.main()
    else:
        main()
