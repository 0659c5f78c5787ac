"""What a terminal and a Markdown file say of a run: everything the document knows, and nothing it does not."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tb_lossdiag.diagnosis.engine import Cause, Diagnosis, Outcome, Suppressed, Verdict
from tb_lossdiag.diagnosis.quantity_names import quantity_name
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.report.document import entry
from tb_lossdiag.report.limits import sentence
from tb_lossdiag.report.live_reports import past
from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.text import show
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import LiveReport, Run
from tb_lossdiag.testing import run_of

Json = dict[str, Any]
PIECES = (
    Evidence("loss", "", 3, 9, 7.25, 2.5),
    Evidence("gradient_norm", "head", 3, 3, 0.125),
    Evidence("loss", "", 3, 9),
)


def finding(code: str, subject: str = "", severity: Severity = Severity.WARNING) -> Finding:
    said = Text(f"The message of {code}.")
    return Finding(code, severity, subject, PIECES, said, Text(f"Advice of {code}."))


def document(run: Run, diagnosis: Diagnosis) -> Json:
    return entry(run, diagnosis, "en", RULES)


def terminal(run: Json, language: str = "en") -> str:
    console = Console(record=True, width=200)
    show(console, [run], language)
    return console.export_text()


RUN = Run("run", run_of({LOSS: [1.0] * 40}).tables)
DEEP = Cause(finding("LD203", "stem"), (Cause(finding("LD101", severity=Severity.ERROR)),))
SICK = Diagnosis(
    "run", (Cause(finding("LD601", "head"), (DEEP,)),), (Outcome("LD601", Verdict.FINDINGS),)
)
NOTHING = Diagnosis("run", (), ())


def test_a_cause_stands_with_its_numbers_and_all_it_led_to() -> None:
    said = terminal(document(RUN, SICK))
    assert "■ LD601" in said, "as bad as the worst that it led to"
    assert "head, steps 3 to 9; loss 7.25 (threshold 2.5); gradient_norm[head] 0.125" in said
    assert "Advice of LD601." in said
    assert "It explains:" in said
    lines = [line.strip("│ ").rstrip() for line in said.splitlines()]
    (stem,) = (line for line in said.splitlines() if "LD203" in line)
    (broke,) = (line for line in said.splitlines() if "LD101" in line)
    assert stem.index("▲") + 2 == broke.index("■"), "what it led to in turn stands further in"
    assert any(line.endswith("The message of LD101. (steps 3 to 9)") for line in lines)


def test_a_cause_that_explains_nothing_says_nothing_of_it() -> None:
    alone = Diagnosis("run", (Cause(finding("LD601")),), ())
    said = terminal(document(RUN, alone))
    assert "It explains" not in said
    assert "│ steps 3 to 9; loss" in said, "of the whole run: no subject"
    assert "- explains" not in markdown([document(RUN, alone)])
    assert "- explains LD203: The message of LD203." in markdown([document(RUN, SICK)])
    assert "## LD601 The updates are too large (error)" in markdown([document(RUN, SICK)])


def test_markdown_has_a_row_per_piece_of_evidence() -> None:
    said = markdown([document(RUN, SICK)])
    assert "head, steps 3 to 9\n" in said
    assert "| training loss |  | steps 3 to 9 | 7.25 | 2.5 |" in said
    assert "| gradient norm | head | step 3 | 0.125 |  |" in said
    bare = document(RUN, SICK)
    bare["findings"][0]["evidence"] = []
    assert "| quantity |" not in markdown([bare])


def test_what_is_known_from_a_baseline_is_marked() -> None:
    run = document(RUN, SICK)
    assert "in the baseline" not in terminal(run) + markdown([run])
    run["findings"][0]["known"] = True
    assert "(in the baseline)" in terminal(run)
    assert "(error, in the baseline)" in markdown([run])


def test_what_is_accepted_is_listed_with_the_reason() -> None:
    taken = Suppressed(finding("LD301"), "the recipe says so")
    run = document(RUN, replace(NOTHING, suppressed=(taken,)))
    assert "accepted: LD301 The message of LD301. Reason: the recipe says so" in terminal(run)
    assert "Accepted:\n\n- LD301: The message of LD301. (the recipe says so)" in markdown([run])


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"source": "scalars", "scalars": "train/loss"}, "plain scalars (train/loss)"),
        ({"thinned": "loss"}, "TensorBoard kept only a sample of: loss"),
        ({"damaged": "3"}, "at least 3 records"),
    ],
)
def test_where_the_numbers_come_from(facts: dict[str, str], sentence: str) -> None:
    told, plain = (document(replace(RUN, facts=f), NOTHING) for f in (facts, {}))
    for say in (terminal, lambda run: markdown([run])):
        assert sentence in say(told)
        assert sentence not in say(plain)


def test_what_was_reported_live_stands_with_the_finding_or_alone() -> None:
    reported = (
        LiveReport("LD601", "head", "warning", 20, 1.0),
        LiveReport("LD601", "head", "warning", 30, 2.0, cleared=True),
        LiveReport("LD101", "", "error", 5, 0.0),
        LiveReport("LD503", "x", "error", 10, 0.5),
        LiveReport("LD503", "x", "error", 12, 0.6, cleared=True),
    )
    run = document(replace(RUN, reported=reported), SICK)
    (gone,) = past(run, "en")
    assert gone == "LD503 x reported live: at step 10, cleared at step 12"
    for said in (terminal(run), markdown([run])):
        assert "reported live: at step 20, cleared at step 30" in said
        assert "Reported live, no longer found:" in said
        assert "LD503 x reported live: at step 10" in said
    kinds = [(said["code"], said["state"], said["step"]) for said in run["reported"]]
    assert kinds[1:3] == [("LD601", "cleared", 30), ("LD101", "appeared", 5)]


def test_an_accepted_finding_that_was_reported_is_not_gone() -> None:
    said = (LiveReport("LD301", "", "warning", 5, 0.0),)
    taken = Suppressed(finding("LD301"), "on purpose")
    run = document(replace(RUN, reported=said), replace(NOTHING, suppressed=(taken,)))
    assert list(past(run, "en")) == []


def test_what_could_not_be_judged_is_listed_with_the_reason() -> None:
    lacking = Outcome("LD301", Verdict.NOT_EVALUATED, reason=Text("no clips"))
    failed = Outcome("LD302", Verdict.FAILED, reason=Text("oops"))
    run = document(RUN, Diagnosis("run", (), (Outcome("LD101", Verdict.CLEAR), lacking, failed)))
    said = markdown([run])
    assert "- no clips: LD301 constant-clipping" in said
    assert "LD302" in said
    assert "LD101" not in said
    assert "rules: 1 clear, 1 not evaluated, 1 failed" in terminal(run)
    found = Outcome("LD601", Verdict.FINDINGS)
    run = document(RUN, Diagnosis("run", (), (lacking, Outcome("LD101", Verdict.CLEAR), found)))
    assert "rules: 1 with findings, 1 clear, 1 not evaluated" in terminal(run)
    assert "rules:" not in terminal(document(RUN, NOTHING))


def test_what_this_run_has_not_is_no_lack_of_records() -> None:
    verdict = Verdict.NOT_EVALUATED
    lacking = Outcome("LD301", verdict, reason=Text("no clips"))
    absent = [Outcome(code, verdict, reason=Text(code), absent=True) for code in ("LDR01", "LDR02")]
    run = document(RUN, Diagnosis("run", (), (Outcome("LD101", Verdict.CLEAR), lacking, *absent)))
    assert "1 clear, 1 not evaluated, 2 with nothing of their kind here" in terminal(run)
    assert "- nothing of their kind here: LDR01 dead-groups, LDR02" in markdown([run])
    assert "1 of 2 rules" in sentence({**run, "status": "nothing found"}, "en")


def test_a_markdown_report_is_in_one_language_and_names_what_would_let_rules_judge() -> None:
    lacking = Outcome("LD401", Verdict.NOT_EVALUATED, reason=Text("loss_term not recorded: …"))
    run = document(RUN, Diagnosis("run", SICK.causes, (lacking,)))
    run["unlocks"] = [{"how": "pass loss_terms=", "rules": ["LD401"]}]
    assert r"- pass loss\_terms=: LD401 term-dominance" in markdown([run])
    chinese = markdown([run], "zh-CN")
    assert "- pass loss\\_terms=：LD401\n" in chinese
    assert "| 训练损失 |" in chinese
    assert "| 梯度范数 | head |" in chinese


def test_a_chinese_report_has_chinese_marks() -> None:
    told = markdown([document(RUN, SICK)], "zh-CN")
    assert told.startswith("# run：")
    assert "（错误）\n" in told
    assert "\nhead，第 3 到 9 步\n" in told
    assert "LD203：The message" in told
    live = {"state": "appeared", "severity": "error", "step": 5, "walltime": 1.0}
    reported = document(RUN, SICK)
    reported["findings"][0]["reported"] = [live]
    for told in (markdown([reported], "zh-CN"), terminal(reported, "zh-CN")):
        assert "head，第 3 到 9 步；" in told
        assert "; " not in told


def test_a_quantity_without_a_name_is_called_by_its_own() -> None:
    assert quantity_name("call_value", "en") == "value of the loss call"
    assert quantity_name("own_quantity", "zh-CN") == "own quantity"


def test_a_run_without_a_judged_loss_says_so() -> None:
    lacking = tuple(
        Outcome(rule.code, Verdict.NOT_EVALUATED, reason=Text("no loss")) for rule in RULES
    )
    run = document(RUN, Diagnosis("run", (), lacking))
    assert run["status"] == "too little recorded"
    assert "no rule that judges a loss could" in terminal(run)
    assert "no rule that judges a loss could" in markdown([run])


def test_a_code_is_a_link_where_a_terminal_takes_links() -> None:
    run = document(RUN, Diagnosis("run", (Cause(finding("LD301"), ()),), ()))
    out = Console(width=100, file=io.StringIO(), force_terminal=True)
    show(out, [run], "zh-CN")
    assert "https://tb-lossdiag.github.io/tb-lossdiag/zh-CN/rules/LD301.html" in out.file.getvalue()  # type: ignore[attr-defined]
    assert "https:" not in terminal(run)


def test_one_of_a_thing_is_one() -> None:
    short = document(Run("run", run_of({LOSS: [1.0]}).tables), NOTHING)
    short["unlocks"] = [{"how": "pass loss_terms=", "rules": ["LD401"]}]
    said = terminal(short)
    assert "  1 step\n" in said
    assert "would unlock 1: pass loss_terms=" in said


def test_a_problem_stands_beside_the_name() -> None:
    run = {**document(RUN, NOTHING), "status": "unreadable", "problem": "a <b> too many"}
    assert "✗ unreadable  run  40 steps  a <b> too many" in terminal(run)
    assert "a &lt;b> too many" in markdown([run])
