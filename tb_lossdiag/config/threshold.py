"""A threshold that somebody changed: a number, of which rule, and who says so."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from tb_lossdiag.diagnosis.foreign import said
from tb_lossdiag.diagnosis.rule import Rule


@dataclass(frozen=True)
class Threshold:
    """A changed threshold.

    Attributes:
        rule: code or name of the rule.
        name: the threshold.
        value: its value; a whole number where the rule has one.
        origin: the option or the file that says so, for messages.
    """

    rule: str
    name: str
    value: float
    origin: str

    @classmethod
    def option(cls, text: str) -> Threshold:
        """From the command line, as "LD601.max_ratio=0.2".

        Raises:
            ValueError: it is written otherwise; the message says how to.
        """
        origin = f"--set {text!r}"
        target, equals, value = text.partition("=")
        rule, dot, name = target.strip().partition(".")
        if not equals or not dot:
            raise ValueError(f"{origin}: write it as LD601.max_ratio=0.2")
        try:
            return cls(rule, name, _number(value), origin)
        except ValueError:
            raise ValueError(f"{origin}: {value!r} is not a number") from None

    def means(self, rule: Rule) -> bool:
        """Whether it is a threshold of this rule."""
        return self.rule.upper() == rule.code or self.rule.lower() == rule.name

    def on(self, rule: Rule) -> Rule:
        """The rule with it.

        Raises:
            ValueError: the rule has no such threshold, or it counts in whole numbers; the message names who said so.
        """
        fields = {field.name: field for field in dataclasses.fields(rule)}  # type: ignore[arg-type]
        if self.name not in fields:
            near = get_close_matches(self.name, fields, 1)
            hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(fields)}"
            raise ValueError(f"{self.origin}: {rule.code} has no threshold {self.name!r}; {hint}")
        self._require_number(rule)
        if isinstance(getattr(rule, self.name), int) and not isinstance(self.value, int):
            raise ValueError(  # noqa: TRY004
                f"{self.origin}: {rule.code}.{self.name} = {self.value!r} is not a whole number"
            )
        try:
            changed: Any = dataclasses.replace(rule, **{self.name: self.value})  # type: ignore[type-var]
        except Exception as error:  # whatever another package's rule does
            raise ValueError(f"{self.origin}: {rule.code} refuses it: {said(error)}") from error
        return changed  # type: ignore[no-any-return]

    def _require_number(self, rule: Rule) -> None:
        """One that arrays can be compared with: with NaN no rule ever fires, and beyond every float it fails."""
        try:
            sound = not math.isnan(float(self.value))
        except OverflowError:
            sound = False
        if not sound:
            value = f"{self.value!r:.40}"
            raise ValueError(
                f"{self.origin}: {rule.code}.{self.name} = {value} is no number to compare with"
            )


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)
