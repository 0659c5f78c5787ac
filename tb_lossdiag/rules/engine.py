"""The old place of `tb_lossdiag.diagnosis.engine`, kept for rules of other packages until release 0.3."""

from __future__ import annotations

from tb_lossdiag.diagnosis.engine import (
    Cause,
    Diagnosis,
    Outcome,
    Suppressed,
    Verdict,
    diagnose,
    fold,
    judge,
)

__all__ = [
    "Cause",
    "Diagnosis",
    "Outcome",
    "Suppressed",
    "Verdict",
    "diagnose",
    "fold",
    "judge",
]
