"""Scalars that only want naming come before what would have to be recorded."""

from __future__ import annotations

from dataclasses import replace

from made.logs import log
from tb_lossdiag.diagnosis.engine import Outcome, Verdict, diagnose
from tb_lossdiag.diagnosis.mapping import perhaps, unlocks
from tb_lossdiag.report.document import entry
from tb_lossdiag.rules import RULES

FACTS = {"source": "scalars", "perhaps": "learning_rate=cfg/lr, of all, global_norm=g"}


def lacking(code: str, *missing: str, absent: bool = False) -> Outcome:
    return Outcome(code, Verdict.NOT_EVALUATED, missing, absent=absent)


def test_what_the_reader_supposes_is_taken_apart() -> None:
    assert perhaps(FACTS) == {"learning_rate": "cfg/lr, of all", "global_norm": "g"}
    assert perhaps({}) == {}


def test_rules_that_lack_nothing_else_are_named() -> None:
    outcomes = [
        lacking("LD607", "learning_rate"),
        lacking("LD612", "learning_rate"),
        lacking("LD621", "global_norm"),
        lacking("LD109", "learning_rate", "update_norm"),
        lacking("LD625", "learning_rate", absent=True),
        lacking("LD107", "validation_loss"),
    ]
    (rate, norm) = unlocks(outcomes, FACTS)
    assert rate[0].en == "--map learning_rate=cfg/lr, of all, if that scalar is the learning rate"
    assert (rate[1], norm[1]) == (("LD607", "LD612"), ("LD621",))
    assert unlocks(outcomes, {}) == []


def test_the_report_names_the_option_first_and_each_rule_once() -> None:
    run = log([2.0 * 0.99**i for i in range(200)])
    run = replace(run, facts={**run.facts, **FACTS})
    ways = entry(run, diagnose(run, RULES), "en", RULES)["unlocks"]
    assert ways[0]["how"].startswith("--map learning_rate=")
    assert {"LD607", "LD612"} <= {*ways[0]["rules"]}
    codes = [code for way in ways for code in way["rules"]]
    assert len(codes) == len({*codes})
