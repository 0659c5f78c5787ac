"""Rules that somebody names, by a code, the beginning of one or a name, and who says so."""

from __future__ import annotations

from dataclasses import dataclass, field

from tb_lossdiag.diagnosis.rule import Rule


@dataclass(frozen=True)
class Pattern:
    """Names rules.

    Attributes:
        text: a code, the beginning of one ("LD2"), or a name.
        origin: the option or the place in the file that says so, for messages.
    """

    text: str
    origin: str = field(default="", compare=False)

    def means(self, rule: Rule) -> bool:
        """Whether this rule is meant."""
        text = self.text.strip()
        return bool(text) and (rule.code.startswith(text.upper()) or rule.name == text.lower())
