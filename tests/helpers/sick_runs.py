"""The sick run of each rule: what its test module calls `SICK`."""

from __future__ import annotations

import functools
from importlib import import_module

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run


@functools.cache
def sick_run(code: str) -> Run:
    """A run in which the rule of this code finds something, with all that it reads or may read as far as that makes sense."""
    family, name = type(by_code(code)).__module__.split(".")[-2:]
    run = import_module(f"unit.rules.{family}.test_{name}").SICK
    assert isinstance(run, Run)
    return run


def by_code(code: str) -> Rule:
    """The rule of this code."""
    return next(rule for rule in RULES if rule.code == code)
