"""A report to hand round: one file that loads and runs nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np

from helpers.hostile_names import NAMES
from made.changes import with_loss
from made.healthy import healthy_run
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.report import document
from tb_lossdiag.report.page import page
from tb_lossdiag.run import Run

WELL = healthy_run(1)
POLICY = Policy.of(Settings())


def entry(run: Run, name: str = "run") -> document.Json:
    return {**document.entry(run, POLICY.diagnose(run), "en", POLICY.rules), "run": name}


def broken(run: Run) -> Run:
    losses = run[LOSS].values[:, 0].copy()
    losses[-50:] = np.nan
    return with_loss(run, losses)


class Tags(HTMLParser):
    """Names of all tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the name; attributes lead nowhere but inside."""
        self.found.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert name != "href" or str(value).startswith("#")


def test_the_worst_run_comes_first_in_a_table_and_then_whole() -> None:
    text = page([entry(WELL, "well"), entry(broken(WELL), "sick")])
    assert re.findall(r'<a href="#run\d">(\w+)</a>', text) == ["sick", "well"]
    assert "LD101" in text.partition("<article")[0]
    assert text.count("<article") == 2
    assert "<pre><code" in text


def test_names_are_text() -> None:
    text = page([{**entry(broken(WELL)), "run": name} for name in NAMES.values()])
    assert not {"script", "img", "iframe", "object", "svg"} & {*Tags(text).found}


def test_a_run_that_cannot_be_read_is_in_it_in_both_languages() -> None:
    unreadable = document.unreadable("bad", "no such file")
    assert "no such file" in page([unreadable])
    assert "<title>Loss Doctor 诊断</title>" in page([unreadable], "zh-CN")


def test_rules_that_lack_the_same_stand_together() -> None:
    text = page([entry(WELL)])
    open_ = text.partition("Not evaluated")[2]
    assert re.search(r"<li>[^<]*(<code>.*?</code>[^<]*)*: LD\d+ [\w-]+, LD\d+ ", open_)


def test_what_would_let_rules_judge_is_code_and_no_cell_is_empty() -> None:
    text = page([entry(WELL, "well")])
    assert "<code>with writer.check_up():</code>" in text
    assert "`" not in text
    assert "<td></td>" not in text
