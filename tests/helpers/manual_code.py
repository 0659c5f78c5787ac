"""Runs a page of the manual as a reader does: saves its files, runs its Python, types its commands."""

from __future__ import annotations

import ast
import contextlib
import gc
import io
import re
import runpy
import shlex
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tb_lossdiag.cli import main

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w.]+\.py)\n")
_CODE = re.compile(r"\b[A-Z]{2}\d{3}\b")
_VARIABLE = re.compile(r"[A-Z_]+=")
ELSEWHERE = ("pip", "tensorboard", "torchrun", "accelerate", "ssh", "srun", "git", "echo", "which")
"""Commands that start servers, install, or need another machine."""


class Block(NamedTuple):
    """A fenced block of a page."""

    kind: str
    text: str


def blocks(page: str) -> list[Block]:
    """In their order."""
    return [Block(*found) for found in _BLOCK.findall(page)]


def recipe(page: str, word: str) -> str:
    """The one block of a page that is run elsewhere (`py`), in which a word stands."""
    (found,) = (block.text for block in blocks(page) if block.kind == "py" and word in block.text)
    return found


def commands(block: Block) -> list[list[str]]:
    """Of a shell's block, without comments."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def meaning(block: Block) -> Any:
    """What must be the same in both languages: everything but comments, and the language that is asked for."""
    if block.kind == "python":
        return ast.dump(ast.parse(block.text.replace(', language="zh-CN"', "")))
    if block.kind == "sh":
        told = (" ".join(words) for words in commands(block))
        return [text.replace(" --lang zh-CN", "") for text in told]
    return _CODE.findall(block.text) if block.kind == "text" else block.kind


class Reader:
    """Does in the working folder what a page says.

    Attributes:
        said: what the last block of commands printed.
    """

    def __init__(self) -> None:
        self.said = ""
        self._names: dict[str, Any] = {"__name__": "__main__"}

    def follow(self, page: str) -> None:
        """Every block, from the first to the last."""
        found = blocks(page)
        for block, following in zip(found, [*found, Block("", "")][1:], strict=True):
            shown = set(_CODE.findall(following.text)) if following.kind == "text" else set()
            if block.kind == "python":
                self._python(block.text)
            elif block.kind == "sh":
                with _heard() as out:
                    for words in commands(block):
                        self._type(words, sick=bool(shown))
                self.said = out.getvalue()
            assert shown <= set(_CODE.findall(self.said)), self.said

    def _python(self, code: str) -> None:
        if named := _FILE.match(code):
            Path(named[1]).write_text(code, "utf-8")
        else:
            exec(compile(code, "page", "exec"), self._names)  # noqa: S102

    def _type(self, words: list[str], *, sick: bool) -> None:
        """A check finds something where the page shows what, and only there."""
        while _VARIABLE.match(words[0]):  # set for a command that runs elsewhere
            words = words[1:]
        command, *rest = words
        if command == "tb-lossdiag" and rest[0] != "docs":
            assert main(rest) == (sick and rest[0] == "check"), shlex.join(words)
        elif command == "tb-lossdiag":
            assert main([*rest, "--text"]) == 0
        elif words[:2] == ["python", "-c"]:
            exec(words[2], {})  # noqa: S102
        elif command == "python" and rest[0].endswith(".py"):
            _script(rest)
        elif words[:2] == ["python", "-m"]:
            assert words[2].partition(".")[0] in ELSEWHERE, words
        else:
            assert command in ELSEWHERE, f"nothing runs {shlex.join(words)}"


def _script(words: list[str]) -> None:
    before = sys.argv
    sys.argv = words
    try:
        runpy.run_path(words[0], run_name="__main__")
    finally:
        sys.argv = before
        gc.collect()  # a process that ends lets go of what it trained with, and so closes its writers


@contextlib.contextmanager
def _heard() -> Iterator[io.StringIO]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what frameworks find deprecated in each other
        yield out
