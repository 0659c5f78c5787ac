"""What is said while the training runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tb_lossdiag.diagnosis.rule import Finding, Severity, Text
from tb_lossdiag.visible import flat

_LINE = {
    "appeared": Text("Loss Doctor, step {step}: {code} {severity}: {message}"),
    "cleared": Text("Loss Doctor, step {step}: {code} cleared, no longer found: {message}"),
}
_SEVERITY = {
    Severity.INFO: Text("info"),
    Severity.WARNING: Text("warning"),
    Severity.ERROR: Text("error"),
}
_STOPPED = Text("{code} at step {step}: {message} What to try first: {advice}")


@dataclass(frozen=True)
class LiveFinding:
    """A finding at the moment it is reported.

    Attributes:
        finding: as in the diagnosis; for "cleared" as it was last found.
        step: of the newest record by then.
        state: "appeared", also when it becomes more severe, or "cleared".

    Example:
        >>> import math, tempfile, tb_lossdiag, torch
        >>> model, said = torch.nn.Linear(2, 1), []
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> writer = tb_lossdiag.SummaryWriter(tempfile.mkdtemp())
        >>> with writer, writer.watch(model, optimizer, on_finding=said.append):
        ...     for step in range(8):
        ...         optimizer.zero_grad()
        ...         loss = model(torch.ones(4, 2)).square().mean() * (math.nan if step == 6 else 1)
        ...         loss.backward()
        ...         writer.add_diagnostics(loss=loss)
        ...         _ = optimizer.step()
        >>> said[0].finding.code, said[0].state
        ('LD101', 'appeared')
    """

    finding: Finding
    step: int
    state: Literal["appeared", "cleared"]

    def line(self, language: str = "en") -> str:
        """One line for a terminal."""
        text = _LINE[self.state].in_language(language)
        return flat(text.format(step=self.step, **_words(self.finding, language)))


class TrainingStopped(RuntimeError):  # noqa: N818  (it says what happened to the training)
    """Raised in the training loop when a finding is as severe as `stop_on`; a callback may raise it too.

    Args:
        message: what was found, where, and what to try first.
        reported: the finding, if there is one.

    Example:
        >>> import math, tempfile, tb_lossdiag, torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> writer = tb_lossdiag.SummaryWriter(tempfile.mkdtemp())
        >>> with writer, writer.watch(model, optimizer, stop_on="error"):
        ...     try:
        ...         for step in range(100):
        ...             optimizer.zero_grad()
        ...             loss = model(torch.ones(4, 2)).square().mean() * (math.nan if step == 6 else 1)
        ...             loss.backward()
        ...             writer.add_diagnostics(loss=loss)
        ...             _ = optimizer.step()
        ...     except tb_lossdiag.TrainingStopped as stopped:
        ...         print(stopped.reported.finding.code, step < 99)
        LD101 True
    """

    def __init__(self, message: str, reported: LiveFinding | None = None) -> None:
        """Keep the finding."""
        super().__init__(message)
        self.reported = reported

    @classmethod
    def by(cls, reported: LiveFinding, language: str = "en") -> TrainingStopped:
        """For a finding."""
        words = _words(reported.finding, language)
        words["advice"] = reported.finding.advice.in_language(language).split("\n\n")[0]
        text = _STOPPED.in_language(language).format(step=reported.step, **words)
        return cls(flat(text), reported)


Callback = Callable[[LiveFinding], object]


def printed(language: str) -> Callback:
    """Prints one line to standard error."""
    return lambda reported: print(reported.line(language), file=sys.stderr)  # noqa: T201


def _words(finding: Finding, language: str) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": _SEVERITY[finding.severity].in_language(language),
        "message": finding.message.in_language(language),
    }
