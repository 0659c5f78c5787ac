"""What every rule owes its reader, whoever writes it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator

import numpy as np
import pytest

from helpers import snippets
from helpers.rule_asserts import findings
from helpers.sick_runs import by_code, sick_run
from tb_lossdiag import testing
from tb_lossdiag.diagnosis.engine import judge
from tb_lossdiag.diagnosis.rule import Finding, Rule, documentation
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Table
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run
from tb_lossdiag.testing import assert_contract

SECTIONS = {
    "en": testing.SECTIONS,
    "zh": ("为什么重要：", "如何判断：", "先试什么：", "如何避免误报：", "参考："),
}
CODES = [rule.code for rule in RULES]
each = pytest.mark.parametrize("rule", RULES, ids=CODES)
sick = pytest.mark.parametrize("code", CODES)


def found(code: str) -> Finding:
    return findings(by_code(code), sick_run(code))[0]


def test_codes_are_unique_and_in_order() -> None:
    assert sorted(set(CODES)) == CODES
    assert len({rule.name for rule in RULES}) == len(RULES)


@each
def test_keeps_the_contract_of_all_rules_and_is_named_as_ours_are(rule: Rule) -> None:
    assert_contract(rule)
    assert re.fullmatch(r"LD(?:\d{3}|R\d{2})", rule.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert type(rule).__module__.rpartition(".")[2] == rule.name.replace("-", "_")
    assert type(rule).__name__ == rule.name.title().replace("-", "")


@each
@pytest.mark.parametrize("language", SECTIONS)
def test_documentation_has_all_sections_in_order(rule: Rule, language: str) -> None:
    text = documentation(rule, language)
    places = [text.find(section) for section in SECTIONS[language]]
    assert -1 not in places
    assert places == sorted(places)
    first = text.splitlines()[0]
    assert 0 < len(first) < 100
    assert first.endswith("." if language == "en" else "。")
    assert not re.search(r"<[a-z]", text)


@each
def test_titles_and_documentation_are_in_both_languages(rule: Rule) -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert rule.title.en
    assert not chinese.search(rule.title.en + documentation(rule))
    assert chinese.search(rule.title.in_language("zh"))


@each
def test_every_threshold_is_documented_with_its_unit(rule: Rule) -> None:
    source = inspect.getsource(type(rule))
    for field in dataclasses.fields(rule):  # type: ignore[arg-type]
        match = re.search(
            rf"^    #: (.+)\n(?:    #: .+\n)*    {field.name}: ", source, re.MULTILINE
        )
        assert match, field.name
        assert len(match[1]) > 10, field.name


@each
def test_thresholds_that_a_translation_names_exist(rule: Rule) -> None:
    named = set(re.findall(r"`((?:min|max)_[a-z_]+)`", documentation(rule, "zh")))
    assert named - {"max_norm"} <= {field.name for field in dataclasses.fields(rule)}  # type: ignore[arg-type]


def test_explains_existing_codes_without_cycles() -> None:
    explains = {rule.code: set(rule.explains) for rule in RULES}
    assert set().union(*explains.values()) <= set(CODES)
    while explains:
        leaves = {code for code, below in explains.items() if not below & set(explains)}
        assert leaves, f"a cycle among {sorted(explains)}"
        explains = {code: below for code, below in explains.items() if code not in leaves}


class _Watched(dict[str, Table]):
    """Tables that remember which were asked for."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.tables)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Table:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, *_: object) -> Table | None:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name)


class _OwnRun(Run):
    def only(self, quantities: object) -> Run:  # noqa: ARG002
        return self


@sick
def test_reads_what_it_declares(code: str) -> None:
    rule, sick = by_code(code), sick_run(code)
    tables = _Watched(sick)
    list(rule.check(_OwnRun("r", tables, sick.facts, restarts=sick.restarts, closed=sick.closed)))
    declared = {
        part.name
        for quantity in (*rule.reads, *rule.may_read)
        for part in (quantity, quantity.highest(), quantity.highest_lag(), quantity.lowest())
    }
    assert tables.asked <= declared
    assert {quantity.name for quantity in rule.reads} <= tables.asked
    source = inspect.getsource(inspect.getmodule(type(rule)) or type(rule))
    names = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    for quantity in rule.may_read:
        assert quantity.name.upper() in names


@sick
def test_each_needed_quantity_is_asked_for_when_missing(code: str) -> None:
    rule, run = by_code(code), sick_run(code)
    for quantity in rule.reads:
        less = Run("r", {n: t for n, t in run.tables.items() if n != quantity.name}, run.facts)
        assert judge(less, rule)[0].missing == (quantity.name,)


@sick
def test_works_without_what_it_may_read(code: str) -> None:
    rule, run = by_code(code), sick_run(code)
    outcome, _ = judge(run.restricted(rule.reads), rule)
    assert not outcome.trace


def _texts(finding: Finding) -> Iterator[str]:
    for text in (finding.message, finding.advice):
        yield from (text.en, text.in_language("zh"))


@sick
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW", ""])
def test_texts_are_complete(code: str, optimizer: str) -> None:
    run = Run("r", sick_run(code).tables, {"optimizer": optimizer} if optimizer else {})
    for finding in judge(run, by_code(code))[1]:
        for text in _texts(finding):
            assert text == text.strip()
            assert not re.search(r"[{}]|<[a-z/]|  +$|\bnan\b", text, re.MULTILINE)
            assert text.count("```") % 2 == 0
        assert re.search(r"[\u4e00-\u9fff]", finding.message.in_language("zh"))
        assert not re.search(r"[\u4e00-\u9fff]", finding.message.en + finding.advice.en)


@sick
def test_the_numbers_of_the_message_are_the_same_in_both_languages(code: str) -> None:
    message = found(code).message
    numbers = [
        sorted(re.findall(r"\d[\d.e+-]*\d|\d", text))
        for text in (message.en, message.in_language("zh"))
    ]
    assert numbers[0] == numbers[1]
    assert numbers[0]


@sick
def test_code_in_the_advice_runs(code: str) -> None:
    """Without a warning, in a small training; other tests' findings are run too (see `helpers.rule_asserts`)."""
    for block in snippets.blocks(found(code).advice):
        snippets.run(code, block)


@sick
def test_evidence_points_at_what_was_recorded(code: str) -> None:
    rule, finding = by_code(code), found(code)
    known: dict[str, Quantity] = {q.name: q for q in (*rule.reads, *rule.may_read)}
    for piece in finding.evidence:
        assert piece.quantity in known
        table = sick_run(code)[known[piece.quantity]]
        assert piece.column in table.columns
        assert piece.first_step <= piece.last_step
        assert np.isin(
            [piece.first_step, piece.last_step], sick_run(code).tables["loss"].steps
        ).all()
