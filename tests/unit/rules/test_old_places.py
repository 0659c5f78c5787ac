"""Rules of other packages that were written for the first release go on working."""

from __future__ import annotations

from tb_lossdiag.diagnosis import engine, rule
from tb_lossdiag.rules import engine as old_engine
from tb_lossdiag.rules import rule as old_rule


def test_what_rules_import_is_where_it_was() -> None:
    same = [name for name in old_rule.__all__ if name != "number"]
    assert all(getattr(old_rule, name) is getattr(rule, name) for name in same)
    assert old_rule.number is rule.short_number
    assert all(getattr(old_engine, name) is getattr(engine, name) for name in old_engine.__all__)
