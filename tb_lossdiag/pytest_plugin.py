"""The fixture `lossdiag`, which pytest finds by itself where this package is installed.

A test trains into `lossdiag.logdir` and says `lossdiag.assert_healthy(select="LD1,LD5")`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tb_lossdiag.checking.report import Report


@dataclass(frozen=True)
class LossDoctor:
    """What the fixture gives.

    Attributes:
        logdir: a folder of the test's own, for what it trains.
    """

    logdir: Path

    def diagnose(self, *places: str | Path, **options: Any) -> Report:
        """`tb_lossdiag.diagnose`, of `logdir` unless other places are named."""
        from tb_lossdiag.checking.report import diagnose  # noqa: PLC0415  (tests that ask nothing pay nothing)

        return diagnose(*(places or (self.logdir,)), **options)

    def assert_healthy(self, select: str | Sequence[str] = (), *, level: str = "warning") -> Report:
        """Fail the test with the report if `logdir` holds a finding as severe as that: see `Report.assert_healthy`."""
        report = self.diagnose()
        report.assert_healthy(select, level=level)
        return report


@pytest.fixture
def lossdiag(tmp_path: Path) -> LossDoctor:
    """Loss Doctor: a folder to train into, and its diagnosis."""
    return LossDoctor(tmp_path / "runs")
