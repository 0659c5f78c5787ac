"""The old place of `tb_lossdiag.diagnosis.rule`, kept for rules of other packages until release 0.3."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import (
    Evidence,
    Finding,
    NotEnough,
    Rule,
    Severity,
    Text,
    documentation,
    short_number,
    thresholds,
)

number = short_number

__all__ = [
    "Evidence",
    "Finding",
    "NotEnough",
    "Rule",
    "Severity",
    "Text",
    "documentation",
    "number",
    "thresholds",
]
