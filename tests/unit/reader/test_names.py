"""A provider that fails at one run costs the list of names, and is said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tb_lossdiag.reader.names import run_names


class Provider:
    """Lists two runs, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def list_runs(self, _: object, **__: object) -> list[Any]:
        if self._error is not None:
            raise self._error
        return [SimpleNamespace(run_name="a"), SimpleNamespace(run_name="b")]


def test_names_are_those_of_the_provider() -> None:
    assert run_names(Provider(), None, "") == {"a", "b"}


def test_without_them_the_rest_goes_on_and_the_reason_is_logged_without_control_characters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert run_names(Provider(ZeroDivisionError("bad\x1b[31m")), None, "") == set()
    assert "could not list" in caplog.text
    assert "\x1b" not in caplog.text
