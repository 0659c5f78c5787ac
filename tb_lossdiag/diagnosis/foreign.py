"""Asks rules of other packages: on copies of the records, in seconds, and nothing that they say is taken unchecked."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tb_lossdiag.diagnosis.checked import findings, text
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Rule, Text
from tb_lossdiag.diagnosis.timed import TooLong, within
from tb_lossdiag.run import Run

SECONDS = 5.0
"""Most that a rule may take for one run; the slowest of ours takes a tenth of a second for a big one."""
_STRIKES = 3
"""Runs on which a rule may take too long before it is asked no more: with a thousand runs nobody would wait for it."""
_LONGEST = 500
_LONGEST_TRACE = 20_000

_lock = threading.Lock()
_late: dict[type, int] = {}
"""How often the rules of a class took too long."""


class Failed(Exception):  # noqa: N818  (what became of a rule)
    """A rule that gave no answer to be used.

    Attributes:
        reason: why, for whoever reads the diagnosis.
        trace: for its author.
    """

    def __init__(self, reason: Text, trace: str = "") -> None:
        """Keep both."""
        super().__init__(reason.en)
        self.reason, self.trace = reason, trace


def own(rule: Rule) -> bool:
    """Whether it is one of this package's rules, which are tested and typed and asked straight away."""
    return type(rule).__module__.startswith("tb_lossdiag.rules.")


def asked(rule: Rule, run: Run) -> list[Finding]:
    """What a foreign rule finds.

    Args:
        rule: the rule.
        run: what it may see; it gets a copy.

    Raises:
        NotEnough: the rule says so.
        Failed: anything else but an answer.
        KeyboardInterrupt: somebody wants to stop.
    """
    kind, seconds = type(rule), SECONDS
    if _late.get(kind, 0) >= _STRIKES:
        raise Failed(_given_up(seconds))
    copied = _copied(run)
    try:
        return within(seconds, lambda: _answer(rule, copied))
    except TooLong as error:
        with _lock:
            _late[kind] = _late.get(kind, 0) + (1 if error.ended else _STRIKES)
        raise Failed(_too_long(seconds)) from None


def said(error: BaseException) -> str:
    """An exception in a line, whatever its class makes of that."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001  (it is another package's method)
        message = "(its message cannot be read)"
    return f"{type(error).__name__}: {message}"[:_LONGEST]


def _answer(rule: Rule, run: Run) -> list[Finding]:
    """Asked, checked, and put into words in the rule's own thread: all of it may run code of the rule."""
    try:
        return _sound(rule, run)
    except (KeyboardInterrupt, NotEnough):
        raise
    except BaseException as error:  # noqa: BLE001  (a rule that calls sys.exit must not end TensorBoard)
        raise _failure(error) from None


def _sound(rule: Rule, run: Run) -> list[Finding]:
    try:
        with np.errstate(all="ignore"):
            return _closed(rule.check(run), rule.code)
    except NotEnough as reason:
        raise NotEnough(text(reason.needs, "the reason of NotEnough")) from None


def _closed(yielded: Iterator[Finding], code: str) -> list[Finding]:
    """The findings; a generator that was left off ends here and not in the thread of whoever drops it."""
    try:
        return findings(yielded, code)
    finally:
        if (close := getattr(yielded, "close", None)) is not None:
            close()


def _failure(error: BaseException) -> Failed:
    line = said(error)
    return Failed(Text(line), traceback.format_exc()[-_LONGEST_TRACE:])


def _copied(run: Run) -> Run:
    """The run with arrays and facts of its own."""
    tables = {
        name: replace(
            table,
            steps=table.steps.copy(),
            walltimes=table.walltimes.copy(),
            values=table.values.copy(),
        )
        for name, table in run.tables.items()
    }
    return Run(run.name, tables, dict(run.facts))


def _too_long(seconds: float) -> Text:
    return Text("took longer than {seconds:g} s").format(seconds=seconds)


def _given_up(seconds: float) -> Text:
    return Text(
        "took longer than {seconds:g} s several times and is not asked again before a restart"
    ).format(seconds=seconds)
