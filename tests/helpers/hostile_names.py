"""Names as somebody may choose them who wants a page, a terminal or a file to do something else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from helpers.full_run import everything
from helpers.written_runs import write_run
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.records import Table, table

NAMES: Mapping[str, str] = {
    "clears the screen": "\x1b[2J\x1b[31mALL HEALTHY",
    "sets the title": "\x1b]0;owned\x07",
    "terminal link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "eight bits": "\x9b31mred\x9b0m",
    "carriage return": "sick\r\x1b[Khealthy",
    "line feed": "layer\n✓ healthy  all runs",
    "backspace": "bad\x08\x08\x08fine\x7f",
    "nul": "nul\x00byte\x0b\x0c",
    "override": "\u202egnp.ssol\u202c",
    "isolate": "\u2066\u2067evil\u2069\u2069\u200f",
    "line separator": "a\u2028b\u2029c",
    "no character": "\ufffe\uffff",
    "script": "<script>window.hacked=1</script>",
    "image": "<img src=//evil.example/x onerror=window.hacked=1>",
    "attribute": "\"'><svg/onload=window.hacked=1>",
    "style": "</style></text><style>*{display:none}</style>",
    "comment": "]]><!-- --><![CDATA[ <?x",
    "address": "javascript:window.hacked=1",
    "markdown link": "[click](javascript:window.hacked=1) ![x](//evil.example/y.png)",
    "markdown": "a|b`c`*d*_e_#~~~",
    "formula": '=HYPERLINK("http://evil.example";"x")',
    "command": "+cmd|'/c calc'!A0",
    "template": "{{constructor.constructor('window.hacked=1')()}} ${window.hacked=1} {a} {0} %s",
    "entity": "&lt;b&gt; &#x202e; &nbsp;",
    "path": "../../../etc/passwd%00%2e%2e",
    "prototype": "__proto__",
    "constructor": "constructor",
    "blank": "   ",
    "everybody's": "名字 👩\u200d🔬 é ﷺ",
    "long": "very long " * 60,
}
"""Kinds of names that a layer, a term, a fact or a reason may have."""
UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]")
"""What no terminal and no file of text may get: control characters but for the line feed, and marks of direction."""


def folder_name(name: str) -> str:
    """The name as a folder may have it."""
    return name.replace("/", "⁄").replace("\x00", "")[:80].strip(" .") or "blank"


def write_hostile(logdir: Path) -> None:
    """A sick and a healthy run in which everything has such a name, and a small run for each of the names."""
    facts = {name: name for name in NAMES.values()}
    for index, sick in enumerate((True, False)):
        tables = [_renamed(made, index * 7) for made in everything(seed=index, sick=sick)]
        write_run(logdir / f"{index} {folder_name(NAMES['clears the screen'])}", tables, facts)
    for name in NAMES.values():
        losses = table(LOSS, np.arange(20), np.linspace(3, 1, 20))
        write_run(logdir / folder_name(name), [losses], {"optimizer": name})


def _renamed(made: Table, shift: int) -> Table:
    return replace(made, columns=tuple(_new_name(name, shift) for name in made.columns))


def _new_name(name: str, shift: int) -> str:
    """Another for each name; pairs stay pairs."""
    if not name or name == "group 0":
        return name
    parts = name.split(" × ")
    return " × ".join(f"{_kind(part, shift)} {part}" for part in parts)


def _kind(name: str, shift: int) -> str:
    names = list(NAMES.values())
    return names[(sum(map(ord, name)) + shift) % len(names)]
