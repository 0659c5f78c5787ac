"""How runs are judged here: rules with their thresholds, and what is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_lossdiag.config.extensions import all_rules
from tb_lossdiag.config.selection import chosen, require
from tb_lossdiag.config.settings import Settings
from tb_lossdiag.config.suppression import Suppression, suppressed
from tb_lossdiag.diagnosis.engine import Diagnosis, diagnose
from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.run import Run


@dataclass(frozen=True)
class Policy:
    """What every place that judges shares.

    Attributes:
        rules: those that run.
        accepted: findings that do not count.
    """

    rules: tuple[Rule, ...]
    accepted: Sequence[Suppression] = ()

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """From settings.

        Raises:
            ValueError: they name a rule or threshold that does not exist.
        """
        rules, known = chosen(settings.select, settings.ignore, settings.thresholds), all_rules()
        for accepted in settings.suppressions:
            require(accepted.code, accepted.origin, filter(accepted.means, known))
        return cls(rules, settings.suppressions)

    def diagnose(self, run: Run) -> Diagnosis:
        """Judge a run."""
        return suppressed(diagnose(run, self.rules), self.rules, self.accepted)
