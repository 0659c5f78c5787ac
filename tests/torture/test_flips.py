"""Bits flipped after they were written, many of them: no number that was not recorded is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.loaders import LOADERS
from integration.test_damage import untrue
from torture.conftest import Measured

from helpers.tiny_trainings import record

FLIPS = 390


@pytest.mark.torture
@pytest.mark.parametrize("loader", LOADERS)
def test_many_wrong_bits_show_nothing_untrue(
    tmp_path: Path, measured: Measured, loader: str
) -> None:
    record(tmp_path / "recorded" / "good", range(60))
    (tmp_path / "flipped").mkdir()
    wrong = untrue(tmp_path / "recorded" / "good", tmp_path / "flipped", loader, FLIPS)
    measured(f"one bit flipped, {loader} loader", tried=FLIPS, held=FLIPS - len(wrong))
    assert wrong == {}
