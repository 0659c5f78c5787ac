"""Thirty pictures of the tab, to be looked at one by one: `python3 tasks.py screenshots --gallery`.

Each view with runs of each kind: sick, healthy, huge, tiny, hostile; in both themes and both languages, wide and narrow.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from helpers.full_run import everything
from helpers.hostile_names import NAMES, folder_name, write_hostile
from helpers.plugin_frame import plugin_frame, settled
from helpers.tensorboard_process import serving
from helpers.written_runs import write_run
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS, PARAMETER_NORM
from tb_lossdiag.records import Table, table

PLACE = Path(__file__).parents[2] / "build" / "gallery"
WIDE, NARROW = (1440, 900), (420, 860)
HOSTILE = f"hostile/0 {folder_name(NAMES['clears the screen'])}"
_DRAWN = 1500
"""Milliseconds until charts that came into view are drawn."""


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        view: of the tab.
        run: that it shows.
        theme: "light" or "dark".
        language: of the page.
        size: of the window.
        more: further keys of the address.
    """

    view: str
    run: str
    theme: str = "light"
    language: str = "en"
    size: tuple[int, int] = WIDE
    more: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A file's name, which says all of it."""
        kind = self.run.partition("/")[0]
        narrow = "-narrow" if self.size == NARROW else ""
        return f"{self.view}-{kind}-{self.theme}-{self.language}{narrow}"

    @property
    def keys(self) -> str:
        """Of the address."""
        place = {"view": self.view, "run": self.run, "lang": self.language, **self.more}
        return "".join(f"&p.lossdiag.{key}={quote(value, safe='')}" for key, value in place.items())


SICK, HEALTHY, HUGE, TINY = "sick/run", "healthy/run", "huge/run", "tiny/run"
LAYER = {"layer": "blocks.2.mlp.fc1.weight"}
SHOTS = (
    Shot("overview", SICK),
    Shot("overview", SICK, "dark", "zh-CN"),
    Shot("overview", HEALTHY, "dark"),
    Shot("overview", HUGE),
    Shot("overview", TINY, "light", "zh-CN"),
    Shot("overview", HOSTILE),
    Shot("overview", SICK, size=NARROW),
    Shot("findings", SICK),
    Shot("findings", SICK, "dark", "zh-CN"),
    Shot("findings", HEALTHY, "light", "zh-CN"),
    Shot("findings", TINY, "dark"),
    Shot("findings", HOSTILE, "dark"),
    Shot("findings", SICK, "light", "zh-CN", NARROW),
    Shot("gradients", SICK, more=LAYER),
    Shot("gradients", HEALTHY, "dark", "zh-CN", more=LAYER),
    Shot("gradients", HUGE, "dark"),
    Shot("gradients", TINY),
    Shot("gradients", HOSTILE),
    Shot("gradients", SICK, "dark", size=NARROW),
    Shot("terms", SICK),
    Shot("terms", HUGE, "dark", "zh-CN"),
    Shot("terms", HOSTILE, "light", "zh-CN"),
    Shot("clipping", SICK, "dark", "zh-CN"),
    Shot("clipping", HEALTHY),
    Shot("activations", SICK),
    Shot("activations", HOSTILE, "dark", "zh-CN"),
    Shot("compare", SICK, more={"cmp": quote(HEALTHY, safe="")}),
    Shot("compare", HEALTHY, "dark", "zh-CN", more={"cmp": quote(HUGE, safe="")}),
    Shot("report", SICK, "dark", "zh-CN"),
    Shot("report", HEALTHY),
)


def _moving(each: Table) -> Table:
    """The weights as a training moves them: those that are made for tests stay where they are."""
    if each.quantity is not PARAMETER_NORM:
        return each
    grown = 1 + 1e-3 * np.arange(len(each))[:, None]
    return replace(each, values=(each.values * grown).astype(np.float32))


def write_runs(logdir: Path) -> None:
    """Runs of all kinds."""
    write_run(logdir / SICK, everything(), {"optimizer": "SGD", "torch": "2.13"})
    write_run(
        logdir / HEALTHY,
        [_moving(each) for each in everything(seed=1, sick=False)],
        {"optimizer": "AdamW", "torch": "2.13"},
    )
    rng = np.random.default_rng(1)
    steps = np.arange(2000)
    names = [
        f"h.{i // 12}.{'attn' if i % 12 < 4 else 'mlp'}.part{i % 12}.weight" for i in range(600)
    ]
    level = rng.lognormal(-2, 1, len(names))
    norms = (level * rng.lognormal(0, 0.3, (len(steps), len(names)))).astype(np.float32)
    norms[1400, 77] *= 500
    terms = [f"term {number}" for number in range(60)]
    parts = rng.lognormal(0, 0.1, (len(steps), 60)) * rng.lognormal(0, 1, 60)
    whole = [each for each in everything(2000, sick=False) if each.quantity.frame == "term"]
    many = [
        table(
            each.quantity,
            steps,
            parts if each.quantity.name == "loss_term" else 0 * parts + 1,
            terms,
        )
        for each in whole
        if each.quantity.name in {"loss_term", "loss_weight"}
    ]
    loss = 8 * np.exp(-steps / 700) + 0.3
    write_run(
        logdir / HUGE, [table(LOSS, steps, loss), table(GRADIENT_NORM, steps, norms, names), *many]
    )
    write_run(
        logdir / TINY,
        [
            table(LOSS, range(3), [2.0, 1.5, 1.2]),
            table(GRADIENT_NORM, range(3), [[1.0]] * 3, ("weight",)),
        ],
    )
    write_hostile(logdir / "hostile")


def shoot(browser: Browser, address: str, shot: Shot) -> None:
    """Take one picture."""
    page = browser.new_page(
        locale="en-US", viewport={"width": shot.size[0], "height": shot.size[1]}
    )
    page.set_default_timeout(60_000)
    page.goto(f"{address}/#lossdiag{shot.keys}")
    frame = plugin_frame(page)
    settled(frame)
    if shot.theme == "dark":
        page.locator("app-header-dark-mode-toggle button").click()
        page.get_by_text("Dark", exact=False).last.click()
    page.wait_for_timeout(_DRAWN)
    page.screenshot(path=PLACE / f"{shot.name}.png")
    page.close()


def main() -> None:
    """Write runs, serve, take all pictures."""
    PLACE.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("CHROME") or shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        write_runs(Path(folder))
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        with serving(folder) as address:
            for shot in SHOTS:
                shoot(browser, address, shot)
        browser.close()
