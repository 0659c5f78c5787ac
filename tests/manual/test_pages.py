"""The manual: a page means the same in both languages, leads to pages that there are, and its code does what the page says."""

from __future__ import annotations

import json
import posixpath
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import tb_lossdiag
from helpers.manual_code import Reader, blocks, meaning
from helpers.plain_scalars import falling, write
from tb_lossdiag.manual import markdown, names
from tb_lossdiag.manual.contents import CHAPTERS, RULES_PAGE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
FOLDER = Path(tb_lossdiag.__file__).parent / "manual"
PAGES = [name for name in names() if "/" not in name and name != RULES_PAGE]
NEEDS = {
    "lightning": "pytorch_lightning",
    "transformers": "transformers",
    "accelerate": "accelerate",
    "keras": "keras",
    "stable-baselines3": "stable_baselines3",
    "ignite": "ignite",
    "skorch": "skorch",
    "fastai": "fastai",
}
TRIED_ELSEWHERE = {
    "automation": "test_automation.py runs its commands beside scalars of a training",
    "tutorial": "a notebook: it is run when the site is built",
}
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_file_is_a_page_with_its_place(language: str) -> None:
    assert {path.stem for path in (FOLDER / language).glob("*.md")} == set(PAGES)
    placed = [name for _, pages in CHAPTERS.values() for name in pages]
    assert len(placed) == len(set(placed))


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_show_the_same_code(name: str) -> None:
    english, chinese = (blocks(markdown(name, language)) for language in ("en", "zh-CN"))
    assert [meaning(block) for block in english] == [meaning(block) for block in chinese]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("name", [*PAGES, RULES_PAGE, f"{RULES_PAGE}/LD302"])
def test_links_lead_somewhere(name: str, language: str) -> None:
    known = {*names(), "api"}
    for link in _LINK.findall(markdown(name, language)):
        place = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
        there = (FOLDER / language / link).resolve().exists()
        assert place.removesuffix(".md") in known or there, link


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_each_view_and_state_of_the_tab_is_explained_by_its_name(language: str) -> None:
    words = json.loads((ROOT / f"frontend/src/i18n/{language}.json").read_text("utf-8"))
    page = markdown("views", language)
    for key, word in words.items():
        if key.startswith("view."):
            assert f"\n## {word}\n" in page
        elif key.startswith("status.") and key not in {"status.unreadable", "status.reading"}:
            assert f"\n| {word} |" in page


def test_costs_are_those_of_the_readme() -> None:
    english, chinese = (markdown("costs", language) for language in ("en", "zh-CN"))
    measured = english[english.index("|") : english.index("Within noise")]
    assert all(line in README for line in measured.splitlines())
    assert re.findall(r"\d[\d.,]*", english) == re.findall(r"\d[\d.,]*", chinese)


def test_versions_are_those_of_the_readme() -> None:
    for row in ("torch", "TensorBoard", "protobuf, numpy"):
        (line,) = re.findall(rf"^\| {row} \|.*$", markdown("stability", "en"), re.MULTILINE)
        assert line in README


@pytest.mark.parametrize("name", [name for name in PAGES if name not in TRIED_ELSEWHERE])
def test_a_page_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    if name == "troubleshooting":  # begins with a training that somebody has
        write(tmp_path / "runs" / "mine", {"train/loss": falling(60), "val/loss": falling(60)})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    Reader().follow(markdown(name, "en"))
