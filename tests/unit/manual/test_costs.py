"""The table of costs is made of what was measured, and every page has its place for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import costs

_SMALL = {"bare_ms": 1.25, "noise": 0.02}
_LARGE = {"bare_ms": 240.0, "noise": 0.02}
KNOWN = {
    "A": {
        costs.OURS: {"share": 0.08, **_SMALL},
        "defaults": {"share": 0.11, **_SMALL},
        "torch's clip": {"share": 0.01, **_SMALL},
        "torchmortem": {"share": 2.2, **_SMALL},
    },
    "B": {costs.OURS: {"share": 0.01, **_LARGE}, "defaults": {"share": 0.03, **_LARGE}},
}


def test_the_table_is_of_what_was_measured() -> None:
    lines = costs.table(KNOWN, "en").splitlines()
    assert lines[0] == (
        "| every step observed | MLP, 6 tensors, 1.2 ms | transformer, 148 tensors, 0.24 s |"
    )
    assert "| `watch`: all gradients and the loss | +8.0 % | within noise |" in lines
    assert "| `watch` at its defaults: check-ups, too | +11 % | +3.0 % |" in lines
    assert "| torchmortem | +220 % | – |" in lines


@pytest.mark.parametrize("page", costs.PAGES, ids=lambda page: "-".join(page.parts[-2:]))
def test_every_page_has_a_place_for_it(page: Path) -> None:
    text, language = page.read_text("utf-8"), costs.PAGES[page]
    made = costs.replaced(text, KNOWN, language)
    assert costs.table(KNOWN, language) in made
    assert costs.replaced(made, KNOWN, language) == made
