"""The catalogues of translations: `python3 tasks.py messages` brings them up to date with the texts in the code.

A message id is an English template, or a paragraph of a rule's documentation on one line. What is new has no translation yet, what is
gone is dropped; `tests/unit/test_translations.py` fails on either, so that no language falls behind unseen.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tb_lossdiag.diagnosis.text import LOCALES
from tb_lossdiag.rules import RULES

PACKAGE = Path(__file__).parents[2] / "tb_lossdiag"
_ALWAYS = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""A date that does not change with every update."""
_NO_LINE: Any = None
_FIELD = re.compile(r"{(\w+)[^}]*}")


def place(locale: str, ending: str) -> Path:
    """A catalogue's file: "po" for people, "mo" for the program."""
    return PACKAGE / "locale" / locale / "LC_MESSAGES" / f"lossdiag.{ending}"


def messages() -> dict[str, set[str]]:
    """Every text that is to be translated, and the files it stands in."""
    found: dict[str, set[str]] = {}
    for text, file in (*_templates(), *_paragraphs()):
        if _FIELD.sub("", text):
            found.setdefault(text, set()).add(file)
    return found


def _templates() -> Iterator[tuple[str, str]]:
    """The argument of each `Text("…")`."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Text"), args=[ast.Constant(value=str(text))]):
                    yield text, _relative(path)


def _paragraphs() -> Iterator[tuple[str, str]]:
    """The documentation of each rule."""
    for rule in RULES:
        file = _relative(Path(inspect.getfile(type(rule))))
        for paragraph in inspect.cleandoc(rule.__doc__ or "").split("\n\n"):
            yield " ".join(paragraph.split()), file


def _relative(path: Path) -> str:
    return path.resolve().relative_to(PACKAGE.parent).as_posix()


def read(locale: str) -> Catalog:
    """The catalogue that lies there."""
    with place(locale, "po").open("rb") as file:
        return read_po(file, locale)


def current(locale: str) -> Catalog:
    """The catalogue as it should be: today's messages, each with the translation that lies there."""
    old = read(locale)
    new = Catalog(
        locale,
        project="tb-lossdiag",
        version="1",
        fuzzy=False,
        header_comment="# Loss Doctor's texts: python3 tasks.py messages",
        creation_date=_ALWAYS,
        revision_date=_ALWAYS,
    )
    for text, files in sorted(messages().items(), key=lambda item: (min(item[1]), item[0])):
        known = old.get(text)
        # No line numbers: they would change with every edit.
        new.add(text, known.string if known else "", [(file, _NO_LINE) for file in sorted(files)])
    return new


def compiled(catalogue: Catalog) -> bytes:
    """The catalogue as the program reads it."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def fields(text: str) -> set[str]:
    """Names of a template's fields."""
    return set(_FIELD.findall(text))


def update() -> None:
    """Bring the catalogues up to date."""
    for locale in LOCALES.values():
        catalogue = current(locale)
        with place(locale, "po").open("wb") as file:
            write_po(file, catalogue, width=120, omit_header=False)
        place(locale, "mo").write_bytes(compiled(catalogue))
        missing = [str(message.id) for message in catalogue if message.id and not message.string]
        print(f"{locale}: {len(catalogue)} texts, {len(missing)} without translation")


if __name__ == "__main__":
    update()
