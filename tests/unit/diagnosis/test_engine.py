from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from tb_lossdiag.diagnosis.engine import Cause, Verdict, diagnose, fold
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Rule, Severity, Text
from tb_lossdiag.quantities import (
    BATCH_NORM_VALUES,
    CHECK_SECONDS,
    DEAD_SHARE,
    GRADIENT_NORM,
    LOSS,
    LOSS_TERM,
    STEPS,
    Quantity,
)
from tb_lossdiag.records import table
from tb_lossdiag.run import Run

RUN = Run("run", {LOSS.name: table(LOSS, [0, 1, 2], [3.0, 2.0, 1.0])})
WORDS = Text("words")


def finding(
    code: str, first: int = 0, last: int = 9, severity: Severity = Severity.WARNING
) -> Finding:
    return Finding(code, severity, "", (Evidence("loss", "", first, last),), WORDS, WORDS)


def rule(
    code: str,
    check: Callable[[Run], Iterator[Finding]],
    reads: tuple[Quantity, ...] = (LOSS,),
    explains: tuple[str, ...] = (),
) -> Rule:
    @dataclass(frozen=True)
    class Some:
        name: ClassVar[str] = code.lower()
        severity: ClassVar[Severity] = Severity.WARNING
        title: ClassVar[Text] = WORDS
        may_read: ClassVar[tuple[Quantity, ...]] = ()
        zh: ClassVar[str] = ""

        def check(self, run: Run) -> Iterator[Finding]:
            return check(run)

    Some.code, Some.reads, Some.explains = code, reads, explains  # type: ignore[attr-defined]
    made = Some()
    assert isinstance(made, Rule)
    return made


def tree(causes: tuple[Cause, ...]) -> list[object]:
    return [(c.finding.code, tree(c.explains)) if c.explains else c.finding.code for c in causes]


def found(*findings: Finding) -> Callable[[Run], Iterator[Finding]]:
    return lambda _run: iter(findings)


def test_verdicts_in_the_order_of_the_rules() -> None:
    diagnosis = diagnose(RUN, [rule("A", found()), rule("B", found(finding("B")))])
    assert [(o.code, o.verdict) for o in diagnosis.outcomes] == [
        ("A", Verdict.CLEAR),
        ("B", Verdict.FINDINGS),
    ]
    assert diagnosis.worst is Severity.WARNING


def test_nothing_found_has_no_worst() -> None:
    assert diagnose(RUN, [rule("A", found())]).worst is None


def test_a_missing_quantity_is_named_with_how_to_record_it() -> None:
    (result,) = diagnose(RUN, [rule("A", found(finding("A")), (LOSS, GRADIENT_NORM))]).outcomes
    assert (result.verdict, result.missing) == (Verdict.NOT_EVALUATED, (GRADIENT_NORM.name,))
    assert result.reason is not None
    assert GRADIENT_NORM.how in result.reason.en
    assert result.reason.en.startswith("gradient norm not recorded: ")
    assert result.reason.in_language("zh").startswith("未记录梯度范数：")


def test_runs_that_lack_the_same_share_what_becomes_of_a_rule() -> None:
    def run(name: str, checks: int) -> Run:
        seconds = table(CHECK_SECONDS, range(checks), [0.1] * checks, ("",))
        return Run(name, {**RUN.tables, CHECK_SECONDS.name: seconds})

    needs = rule("A", found(), (LOSS, BATCH_NORM_VALUES))
    (one,), (other,), (longer,) = (
        diagnose(each, [needs]).outcomes for each in (run("a", 3), run("b", 3), run("c", 4))
    )
    assert other is one
    assert longer.reason is not None
    assert "in none of 4 check-ups" in longer.reason.en


def test_what_check_ups_would_have_seen_is_not_there() -> None:
    seconds = table(CHECK_SECONDS, [0, 1, 2], [0.1, 0.1, 0.1], ("",))
    checked = Run("run", {**RUN.tables, CHECK_SECONDS.name: seconds})
    needs = rule("A", found(), (LOSS, BATCH_NORM_VALUES))
    (outcome,) = diagnose(checked, [needs]).outcomes
    assert outcome.missing == ("batch_norm_values",)
    assert outcome.reason is not None
    assert "values per channel of a batch normalisation in none of 3 check-ups" in outcome.reason.en
    assert "3 次检查" in outcome.reason.in_language("zh")
    (unlooked,) = diagnose(RUN, [needs]).outcomes
    assert unlooked.reason is not None
    assert "check_up=True" in unlooked.reason.en
    for quantity in (
        DEAD_SHARE,
        GRADIENT_NORM,
    ):  # activations may be off; a norm has nothing to do with check-ups
        (other,) = diagnose(checked, [rule("A", found(), (quantity,))]).outcomes
        assert other.reason is not None
        assert "not recorded: writer.watch" in other.reason.en


def test_what_was_called_is_not_asked_for() -> None:
    """A norm that a watched model did not give is not there "because nobody called watch"."""
    watched = Run("run", {**RUN.tables, STEPS.name: table(STEPS, [0, 1], [1.0, 1.0], ("",))})
    (outcome,) = diagnose(watched, [rule("A", found(), (GRADIENT_NORM,))]).outcomes
    assert outcome.reason is not None
    assert "though a model is watched" in outcome.reason.en
    (both,) = diagnose(watched, [rule("A", found(), (GRADIENT_NORM, LOSS_TERM))]).outcomes
    assert both.reason is not None
    assert both.reason.en.endswith("not recorded: pass loss_terms= to add_diagnostics")


def test_too_few_records_is_a_reason() -> None:
    def check(run: Run) -> Iterator[Finding]:
        raise NotEnough(WORDS)

    (result,) = diagnose(RUN, [rule("A", check)]).outcomes
    assert (result.verdict, result.reason) == (Verdict.NOT_EVALUATED, WORDS)


def test_a_broken_rule_is_reported_and_the_others_go_on() -> None:
    def check(run: Run) -> Iterator[Finding]:
        yield finding("A")
        raise ZeroDivisionError("oops")

    diagnosis = diagnose(RUN, [rule("A", check), rule("B", found(finding("B")))])
    broken, fine = diagnosis.outcomes
    assert (broken.verdict, fine.verdict) == (Verdict.FAILED, Verdict.FINDINGS)
    assert broken.reason is not None
    assert "ZeroDivisionError: oops" in broken.reason.en
    assert "Traceback" in broken.trace
    assert tree(diagnosis.causes) == ["B"]


def test_an_undeclared_quantity_cannot_be_read() -> None:
    def check(run: Run) -> Iterator[Finding]:
        return iter([finding("A")] if len(run[LOSS]) else [])

    run = Run("r", {**RUN.tables, GRADIENT_NORM.name: table(GRADIENT_NORM, [0], [1.0])})
    (result,) = diagnose(run, [rule("A", check, (GRADIENT_NORM,))]).outcomes
    assert result.verdict is Verdict.FAILED


def test_folds_under_the_nearest_cause() -> None:
    explains = {"A": ("B", "C"), "B": ("C",), "C": ()}
    assert tree(fold([finding("C"), finding("B"), finding("A")], explains)) == [
        ("A", [("B", ["C"])])
    ]


@pytest.mark.parametrize(("first", "expected"), [(9, [("A", ["B"])]), (10, ["B", "A"])])
def test_a_cause_begins_no_later_than_its_symptom_ends(first: int, expected: list[object]) -> None:
    findings = [finding("A", first, 20), finding("B", 0, 9)]
    assert tree(fold(findings, {"A": ("B",), "B": ()})) == expected


@pytest.mark.parametrize(("first", "expected"), [(3, [("A", ["B"])]), (4, ["B", "A"])])
def test_a_cause_is_no_later_than_what_happened_at_a_step(
    first: int, expected: list[object]
) -> None:
    """What grew after the loss had become NaN did not break it, though it stays NaN."""
    broken = replace(finding("B", 3, 99, Severity.ERROR), onset=3)
    grown = finding("A", first, 99)
    causes = fold([replace(grown, onset=first), broken], {"A": ("B",), "B": ()})
    assert tree(fold([grown, broken], {"A": ("B",), "B": ()})) == [("A", ["B"])], "seen late"
    assert tree(causes) == expected
    assert max(cause.worst for cause in causes) is Severity.ERROR


def test_of_two_causes_the_earlier_explains_then_the_worse() -> None:
    explains = {"A": ("C",), "B": ("C",), "C": ()}
    worse = [finding("A"), finding("B", severity=Severity.ERROR), finding("C")]
    assert tree(fold(worse, explains)) == [("B", ["C"]), "A"]
    later = [finding("A"), finding("B", 1, severity=Severity.ERROR), finding("C")]
    assert tree(fold(later, explains)) == ["B", ("A", ["C"])]


def test_an_information_explains_no_warning() -> None:
    explains = {"A": ("B", "C"), "B": (), "C": ()}
    harmless = finding("A", severity=Severity.INFO)
    others = [finding("B"), finding("C", severity=Severity.INFO)]
    assert tree(fold([harmless, *others], explains)) == ["B", ("A", ["C"])]


def test_worst_then_earliest_first() -> None:
    findings = [
        finding("A", 5),
        finding("B", 3),
        finding("C", 8, severity=Severity.ERROR),
        finding("D", 0, severity=Severity.INFO),
    ]
    assert tree(fold(findings, {})) == ["C", "B", "A", "D"]


def test_a_cause_counts_as_much_as_what_it_led_to() -> None:
    broke = finding("C", 9, severity=Severity.ERROR)
    findings = [finding("A", 8), broke, finding("B", 0, severity=Severity.ERROR), finding("D")]
    explains = {"A": ("C",), "B": (), "C": (), "D": ()}
    assert tree(fold(findings, explains)) == ["B", ("A", ["C"]), "D"]
    assert tree(fold(findings[:2] + findings[3:], explains)) == [("A", ["C"]), "D"]


def test_the_worst_of_a_cause_is_looked_for_in_all_it_led_to() -> None:
    error = Cause(finding("C", severity=Severity.ERROR))
    cause = Cause(finding("A"), (Cause(finding("B", severity=Severity.INFO), (error,)),))
    assert cause.worst is Severity.ERROR
    assert Cause(finding("A")).worst is Severity.WARNING


def test_findings_lists_causes_before_what_they_explain() -> None:
    rules = [
        rule("A", found(finding("A")), explains=("B",)),
        rule("B", found(finding("B", severity=Severity.ERROR))),
    ]
    diagnosis = diagnose(RUN, rules)
    assert [f.code for f in diagnosis.findings()] == ["A", "B"]
    assert diagnosis.worst is Severity.ERROR


@pytest.mark.parametrize(
    ("watched", "terms", "absent"),
    [(("g", "d"), True, True), (("g", "d"), False, False), (("",), True, False)],
)
def test_of_several_models_with_a_loss_each_nobody_asks_for_a_single_one(
    watched: tuple[str, ...], *, terms: bool, absent: bool
) -> None:
    """A GAN's losses were recorded as terms; `loss=` would be neither player's."""
    seen = [table(STEPS, [0, 1], [[1.0] * len(watched)] * 2, watched)]
    seen += [table(LOSS_TERM, [0, 1], [[1.0, 2.0]] * 2, ("g", "d"))] if terms else []
    run = Run("run", {each.quantity.name: each for each in seen})
    (outcome,) = diagnose(run, [rule("X001", lambda _: iter(()))]).outcomes
    assert outcome.verdict is Verdict.NOT_EVALUATED
    assert outcome.absent is absent
    assert ("each of the watched ones" in str(outcome.reason)) is absent
