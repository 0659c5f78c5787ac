"""A page of the manual as a notebook, run by Jupyter, and the page with what its cells answered."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from tb_lossdiag.manual import address
from tb_lossdiag.site import export

_CELL = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_PAGE = re.compile(r"\]\(([\w-]+)\.md\)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_SECONDS = 300


def executed(page: str, language: str, place: Path, live: Path | None = None) -> str:
    """Run the page's cells in one kernel.

    Args:
        page: its Markdown; each block of Python is a cell.
        language: "en" or "zh-CN", in which a diagnosis answers.
        place: where the notebook with its answers goes.
        live: where the tab of the runs that it made goes, as a folder of files.

    Returns:
        The page, with a link to the notebook and the answers below the cells.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.v4.new_notebook(cells=list(_cells(page, language)))
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    with tempfile.TemporaryDirectory() as folder:
        told = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=_SECONDS, resources=told)
        client.extra_arguments = ["--log-level=ERROR"]  # it warns that this machine talks to itself
        client.execute()
        if live is not None:
            export(f"{folder}/runs", str(live))
    nbformat.write(notebook, place)
    return "".join(_told(notebook)).replace("\n", f"\n\n[{place.name}]({place.name})\n", 1)


def _cells(page: str, language: str) -> Iterator[Any]:
    """Prose and code by turns, as `split` gives them."""
    made = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    for number, text in enumerate(_CELL.split(page)):
        if text.strip():
            said = (
                text if number % 2 else _PAGE.sub(lambda m: f"]({address(m[1], language)})", text)
            )
            yield made[number % 2](said.strip(), id=f"cell-{number}")


def _told(notebook: Any) -> Iterator[str]:
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield f"{cell.source}\n\n"
        else:
            yield f"```python\n{cell.source}\n```\n\n"
            yield from map(_answer, cell.outputs)


def _answer(output: Any) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        shown = data["text/html"].replace("<details>", "<details open>")
        return f'````{{raw}} html\n<div class="answer">{shown}</div>\n````\n\n'
    text = data.get("text/plain") or output.get("text", "")
    return f"```text\n{_COLOURS.sub('', text).rstrip()}\n```\n\n"
