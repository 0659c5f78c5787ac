"""What is said of a run, and of what it was turned into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from metamorphic.recording import busy, half, hurried
from metamorphic.units import larger_inputs, larger_loss, renamed
from tb_lossdiag.diagnosis.engine import Diagnosis, diagnose
from tb_lossdiag.diagnosis.rule import Rule, Severity
from tb_lossdiag.run import Run

Change = Callable[[Run], Run]

CHANGES: Mapping[str, Change] = {
    "a thousand times the loss": larger_loss,
    "ten times the inputs": larger_inputs,
    "other names": renamed,
    "half the records": half,
    "a quick machine": hurried,
    "a busy machine": busy,
}


def said(found: Diagnosis) -> tuple[tuple[str, str], ...]:
    """The serious causes, in their order."""
    return tuple(
        (cause.finding.code, cause.finding.severity.label)
        for cause in found.causes
        if cause.finding.severity > Severity.INFO
    )


def differences(run: Run, rules: Sequence[Rule]) -> Iterator[str]:
    """Changes after which something else is said."""
    before = said(diagnose(run, rules))
    for name, change in CHANGES.items():
        other = change(run)
        after = before if other is run else said(diagnose(other, rules))
        if after != before:
            yield f"{name}: {_words(before)} became {_words(after)}"


def _words(causes: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{code} {severity}" for code, severity in causes) or "nothing"
