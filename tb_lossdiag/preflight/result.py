"""The table of a preflight, its findings and what is recorded of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.analysis.probes import why_not
from tb_lossdiag.diagnosis.rule import Finding, Severity, Text, short_number
from tb_lossdiag.preflight.trial import STEPS, Trial
from tb_lossdiag.quantities import (
    CALL_BASELINE,
    PREFLIGHT_EVAL,
    PREFLIGHT_LEFT,
    PREFLIGHT_STEP,
    PROBE_FUTURE_CHANGE,
    PROBE_NOISE,
    PROBE_SAMPLE_CHANGE,
    PROBE_SKIPPED,
    Quantity,
)
from tb_lossdiag.records import Record
from tb_lossdiag.run import Run
from tb_lossdiag.visible import visible

_MARKS = {Severity.INFO: "●", Severity.WARNING: "▲", Severity.ERROR: "■", None: "✓"}
_BY_STEP = Text("by step {step}")
_NOT = Text("not in {steps} steps (lowest {left} of the first loss)")
_BROKE = Text("broke at step {step}")
_FAILED = Text("failed: {why}")
_RATE = Text("the batch by heart, rate x {factor}")
_GRADIENT = Text("parameters that a gradient reaches")
_HELD = Text("parameters that the optimizer holds")
_ALL = Text("all that are trainable")
_NAMED = Text("all but {count}: {names}")
_PROBES = Text("copies asked what they depend on")
_ASKED = Text("other samples {samples}, other random numbers {noise}, the future {future}")
_UNASKED = Text("not asked: {why}")
_UNKNOWN = Text("unknown")
_GUESS = Text("{loss}; guessing has {guess}")
_EVAL = Text("the same batch in eval()")
_BOTH = Text("{evaluated} beside {trained} in training")
_FIRST = Text("the first loss")
_HEAD = Text("Preflight: {count} findings")
_APART = 2.0
"""Times that the loss in eval() may be that of training before somebody should look."""
_STUCK = 0.9
"""Of the first loss: a batch of which so much is left teaches nothing."""
_SHOWN = 3


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: was looked at.
        said: about it.
        severity: None if all is well.
    """

    what: Text
    said: Text
    severity: Severity | None = None


@dataclass(frozen=True)
class Preflight:
    """What a preflight found.

    Attributes:
        rows: the table.
        findings: of the rules, worst first, causes before what they explain.
        trials: with a tenth of the optimizer's rate, with its own and with ten times as much.
    """

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    trials: tuple[Trial, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the training."""
        worst = [f.severity for f in self.findings] + [r.severity for r in self.rows if r.severity]
        return all(severity < Severity.WARNING for severity in worst)

    def text(self, language: str = "en") -> str:
        """The table and the findings."""
        width = max(len(row.what.in_language(language)) for row in self.rows)
        head = _HEAD.format(count=len(self.findings)).in_language(language)
        return "\n".join([head, *self._lines(width, language)])

    def _lines(self, width: int, language: str) -> Iterator[str]:
        for row in self.rows:
            what, said = row.what.in_language(language), row.said.in_language(language)
            yield visible(f"  {_MARKS[row.severity]} {what:{width}}  {said}")
        for finding in self.findings:
            message = finding.message.in_language(language)
            yield visible(f"  {_MARKS[finding.severity]} {finding.code} {message}")

    def records(self) -> list[Record]:
        """What is kept of it."""
        columns = tuple(f"rate x {short_number(trial.factor)}" for trial in self.trials)
        values = {
            PREFLIGHT_STEP: [trial.step for trial in self.trials],
            PREFLIGHT_LEFT: [trial.left for trial in self.trials],
            PREFLIGHT_EVAL: [trial.evaluated for trial in self.trials],
        }
        return [Record(q, columns, np.array(each, np.float32)) for q, each in values.items()]


def rows(trials: Sequence[Trial], run: Run) -> tuple[Row, ...]:
    """The table: the trial with the optimizer's own rate tells most.

    Args:
        trials: all three.
        run: what was recorded of that one, and what copies answered.
    """
    own = next(trial for trial in trials if trial.factor == 1)
    found = [_learned(trial) for trial in trials]
    if not own.losses:
        return tuple(found)
    named = _named(_GRADIENT, own.unreached), _named(_HELD, own.unheld)
    return (_first(own, run), *named, _probes(run), *found, _evaluated(own))


def _first(own: Trial, run: Run) -> Row:
    loss = short_number(own.losses[0])
    guesses = [float(values[0]) for _, _, values in columns(run, CALL_BASELINE) if len(values)]
    said = _GUESS.format(loss=loss, guess=short_number(guesses[0])) if guesses else Text(loss)
    return Row(_FIRST, said)


def _named(what: Text, missing: Sequence[str]) -> Row:
    if not missing:
        return Row(what, _ALL)
    names = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
    return Row(what, _NAMED.format(count=len(missing), names=names), Severity.WARNING)


def _probes(run: Run) -> Row:
    if PROBE_SKIPPED in run and PROBE_SAMPLE_CHANGE not in run:
        return Row(_PROBES, _UNASKED.format(why=why_not(run)))
    asked = {
        "samples": PROBE_SAMPLE_CHANGE,
        "noise": PROBE_NOISE,
        "future": PROBE_FUTURE_CHANGE,
    }
    return Row(_PROBES, _ASKED.format(**{name: _answer(run, q) for name, q in asked.items()}))


def _answer(run: Run, quantity: Quantity) -> Text:
    values = run[quantity].values if quantity in run else np.full((1, 1), np.nan)
    value = float(values[-1, 0])
    return Text(short_number(value)) if np.isfinite(value) else _UNKNOWN


def _learned(trial: Trial) -> Row:
    """A batch that is not learned is a warning where it is the optimizer's own rate that cannot."""
    what = _RATE.format(factor=short_number(trial.factor))
    own = trial.factor == 1
    if trial.problem:
        return Row(
            what, _FAILED.format(why=trial.problem), Severity.ERROR if own else Severity.INFO
        )
    if trial.broke:
        said = _BROKE.format(step=len(trial.losses) - 1)
        return Row(what, said, Severity.ERROR if own else None)
    if trial.step == trial.step:
        return Row(what, _BY_STEP.format(step=short_number(trial.step)))
    left = short_number(trial.left) if trial.left == trial.left else "?"
    said = _NOT.format(steps=min(len(trial.losses), STEPS), left=left)
    return Row(what, said, Severity.WARNING if own and trial.left > _STUCK else Severity.INFO)


def _evaluated(own: Trial) -> Row:
    last = own.losses[-1]
    said = _BOTH.format(evaluated=short_number(own.evaluated), trained=short_number(last))
    # What was learned by heart is next to nothing, so a share of the first loss is what counts.
    apart = own.evaluated > _APART * max(last, 0.1 * own.losses[0]) > 0
    return Row(_EVAL, said, Severity.WARNING if apart else None)
