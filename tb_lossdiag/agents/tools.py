"""What may be asked: a folder's runs, a diagnosis, a rule, a comparison.

Each docstring is what an agent is told of the tool.
"""

from __future__ import annotations

from typing import Any

from tb_lossdiag.checking.comparison import compare as compared
from tb_lossdiag.checking.report import diagnose, diagnose_run
from tb_lossdiag.config import find
from tb_lossdiag.config.extensions import failures
from tb_lossdiag.diagnosis.rule import documentation, short_number, thresholds
from tb_lossdiag.visible import visible

_MOST = 200
"""Runs that are listed; those with the worst findings come first."""
_ORDER = ("broken", "warning", "unreadable")


class Tools:
    """Questions to the runs of one folder; nothing outside of it is read.

    Args:
        logdir: the folder.
    """

    def __init__(self, logdir: str) -> None:
        """Nothing is read yet."""
        self._logdir = logdir
        failures()

    def runs(self) -> list[dict[str, Any]]:
        """List the training runs with their status, their number of steps and the codes of what was found, the worst first."""
        report = diagnose(self._logdir)
        rank = {status: place for place, status in enumerate(_ORDER)}
        ordered = sorted(report, key=lambda run: (rank.get(run.status, len(_ORDER)), run.name))
        return [
            {
                "run": visible(run.name),
                "status": run.status,
                "steps": run.steps,
                "causes": [found.code for found in run.findings],
            }
            for run in ordered[:_MOST]
        ]

    def check(self, run: str) -> str:
        """Say what is wrong with a training run, and what to change, with code.

        Each cause comes with its numbers, and the line of the script where one is known. "healthy" is health; "nothing found" is not:
        fewer than half of the rules could look.

        Args:
            run: a name as `runs` lists it.
        """
        return diagnose_run(self._logdir, run).to_markdown()

    def explain(self, code: str) -> str:
        """Say what a rule looks at, when it speaks, what to try first and how false alarms are avoided.

        Args:
            code: of the rule, such as LD302, or its name, such as clip-after-step.
        """
        rule = find(code)
        bounds = [f"- {rule.code}.{n} = {short_number(v)}" for n, v in thresholds(rule).items()]
        head = f"# {rule.code} {rule.name} ({rule.severity.label})"
        return visible("\n".join((head, documentation(rule, "en"), *bounds)), keep="\n")

    def compare(self, run_a: str, run_b: str) -> str:
        """Say what changed from one run to another: findings fixed, new and still there, where curves part, which settings differ.

        Args:
            run_a: the earlier one.
            run_b: the later one.
        """
        return compared(self._logdir, run_a, run_b).to_markdown()
