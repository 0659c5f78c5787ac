"""The answers beside the page, with which its types are checked, are those of today's server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tools import answers


@pytest.fixture(scope="module")
def today() -> dict[str, Any]:
    """What a real TensorBoard answers now."""
    return answers.collect()


@pytest.mark.parametrize("name", answers.ROUTES)
def test_the_answers_beside_the_page_are_the_servers(today: dict[str, Any], name: str) -> None:
    there = json.loads((answers.PLACE / f"{name}.json").read_text("utf-8"))
    assert today[name] == there, "python3 tasks.py answers"


def test_no_answer_lies_there_that_nobody_gives() -> None:
    assert {path.stem for path in answers.PLACE.iterdir()} == set(answers.ROUTES)
