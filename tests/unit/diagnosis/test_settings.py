from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.diagnosis.ways import said
from tb_lossdiag.quantities import LOSS, Quantity, hints
from tb_lossdiag.records import table
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

RUN = Run("run", {LOSS.name: table(LOSS, [0, 1, 2], [3.0, 2.0, 1.0])})


@dataclass(frozen=True)
class Clipping:
    """Finds something about a clip."""

    code: ClassVar[str] = "X001"
    name: ClassVar[str] = "clipping"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A clip")
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()
    setting: ClassVar[str] = settings.CLIP

    def check(self, _run: Run) -> Any:
        """Yield it."""
        at = (Evidence("loss", "", 0, 2),)
        yield Finding(self.code, self.severity, "", at, Text("It clips."), Text("Clip less."))


def advice(**facts: str) -> Text:
    (cause,) = diagnose(replace(RUN, facts=facts), [Clipping()]).causes
    return cause.finding.advice


def test_who_has_no_loop_of_their_own_is_told_where_the_setting_is() -> None:
    said = advice(framework="transformers")
    assert said.en == (
        "Clip less.\n\nTransformers has a setting for it: `TrainingArguments(max_grad_norm=…)`."
    )
    assert "`TrainingArguments(max_grad_norm=…)`" in said.in_language("zh-CN")
    assert "has a setting" not in said.in_language("zh-CN")


@pytest.mark.parametrize("framework", ["", "ignite", "a loop\x1b of mine"])
def test_a_framework_without_such_a_setting_changes_nothing(framework: str) -> None:
    assert advice(framework=framework).en == "Clip less."


def test_a_loop_of_ones_own_is_told_nothing_more() -> None:
    assert advice().en == "Clip less."


def test_what_would_be_recorded_by_a_call_is_a_setting_there() -> None:
    how = f"{hints.VALIDATION}; {hints.LOSS}"
    own = said(how, {"framework": "transformers"}).en
    assert own == f'set `TrainingArguments(eval_strategy="steps")`; {hints.LOSS}'
    assert said(how, {"framework": "ignite"}).en == said(how).en == how


def test_rules_name_settings_that_there_are() -> None:
    named = {getattr(rule, "setting", "") for rule in RULES}
    known = {settings.CLIP, settings.RATE, settings.DECAY, settings.SCHEDULE, settings.PRECISION}
    assert named == {"", *known}
