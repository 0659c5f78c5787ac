"""A link of the built site that leads nowhere is found, one that leads somewhere is not."""

from __future__ import annotations

from pathlib import Path

from tools.links import broken


def test_only_what_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "picture.png").write_bytes(b"")
    (tmp_path / "index.html").write_text(
        '<h1 id="here"></h1><a href="en/a.html#b">1</a><a href="#here">2</a><a href="#">3</a><img src="picture.png">'
        '<a href="https://example.org/x">4</a><a href="en/a.html#c">5</a><a href="gone.html">6</a><a href="#away">7</a>'
        '<img src="gone.png"><a href="en">8</a><a href="javascript:x()">9</a>'
    )
    (tmp_path / "en" / "a.html").write_text('<p id="b"></p><a href="../index.html#here">1</a>')
    links = ["en/a.html#c", "gone.html", "#away", "gone.png", "en", "javascript:x()"]
    assert broken(tmp_path) == [f"index.html: {link}" for link in links]
