"""The manual in the package: every page in both languages, found by name, as a copy that needs nothing from elsewhere."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tb_lossdiag.cli import main
from tb_lossdiag.diagnosis.rule import documentation
from tb_lossdiag.manual import address, hypertext, markdown, meant, names, written
from tb_lossdiag.process.caches import own_caches
from tb_lossdiag.report.reference import SITE
from tb_lossdiag.rules import RULES


class Links(HTMLParser):
    """What a page leads to, and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.leads: list[str] = []
        self.loads: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.leads.append(str(given["href"]))
        elif "src" in given or tag in {"link", "script", "iframe"}:
            self.loads.append(tag)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_copy_is_whole_and_leads_only_to_itself_and_out(tmp_path: Path, language: str) -> None:
    written(language, tmp_path)
    pages = {
        path.relative_to(tmp_path).with_suffix("").as_posix() for path in tmp_path.rglob("*.html")
    }
    assert pages == set(names())
    for name in names():
        path = tmp_path / f"{name}.html"
        found = Links(path.read_text("utf-8"))
        assert found.loads == []
        for link in found.leads:
            parts = urlsplit(link)
            assert parts.scheme or (path.parent / unquote(parts.path)).resolve().exists(), link


@pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])
def test_a_rule_has_its_page_in_both_languages(rule: Any) -> None:
    for language in ("en", "zh-CN"):
        page = markdown(f"rules/{rule.code}", language)
        assert page.startswith(f"# {rule.code} {rule.name}")
        assert documentation(rule, language) in page
        assert f"rules/{rule.code}.md" in markdown("rules", language)


def test_a_chinese_sentence_has_no_space_where_a_line_ended() -> None:
    said = markdown("views", "zh-CN")
    assert "主题、语言，以及指向当前画面的链接" in said
    assert "\n\n## " in said
    assert "|\n| " in said
    assert "\n- `keras" not in markdown("keras", "zh-CN")
    assert "\n  [Stable-Baselines3]" in markdown("index", "zh-CN")


def test_a_page_is_found_by_its_name_a_code_or_a_rules_name() -> None:
    asked = ("start", "ld302", "clip-after-step", "rules/LD302", "views.md", "index")
    found = [meant(word) for word in asked]
    assert found == ["start", "rules/LD302", "rules/LD302", "rules/LD302", "views", "index"]
    with pytest.raises(ValueError, match="no page 'Lightning-AI'; did you mean lightning"):
        meant("Lightning-AI")
    with pytest.raises(ValueError, match=r"known: index, start, .*codes of rules"):
        meant("???")


def test_what_pages_write_is_text_and_a_picture_a_word() -> None:
    page = hypertext("index", "en", lambda name: f"{name}.html")
    assert "<img" not in page
    assert "[A finding in the tab" in page
    assert 'href="start.html"' in page
    assert hypertext("rules/LD302", "en", lambda name: f"?page={name}").count("?page=rules/LD") >= 1


def test_the_copy_lies_where_the_system_keeps_such_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TB_LOSSDIAG_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setenv("LOCALAPPDATA", "/windows")
    for platform, place in (
        ("linux", "/somewhere"),
        ("win32", "/windows"),
        ("darwin", "~/Library/Caches"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        assert own_caches() == Path(place).expanduser() / "tb-lossdiag"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "beside/the/runs")
    assert own_caches() == Path("~/.cache/tb-lossdiag").expanduser(), "no absolute path"
    monkeypatch.setenv("TB_LOSSDIAG_CACHE", "/named")
    assert own_caches() == Path("/named/tb-lossdiag")


def test_docs_prints_where_nobody_sees_a_browser(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "LD302", "--lang", "zh-CN"]) == 0
    out, err = capsys.readouterr()
    assert out == markdown("rules/LD302", "zh-CN")
    assert address("rules/LD302", "zh-CN") in err
    assert address("rules/LD302", "zh-CN") == f"{SITE}zh-CN/rules/LD302.html"
    assert main(["docs", "clip_after_step"]) == 2
    assert "did you mean clip-after-step" in capsys.readouterr().err


def test_docs_opens_the_copy_and_says_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("tb_lossdiag.cli.docs._sees_a_browser", lambda: True)
    assert main(["docs", "views"]) == 0
    page = tmp_path / "tb-lossdiag" / "docs" / "en" / "views.html"
    assert capsys.readouterr().out.strip() == str(page)
    assert opened == [page.as_uri()]
    assert re.search("<h1>How to read each view</h1>", page.read_text("utf-8"))
