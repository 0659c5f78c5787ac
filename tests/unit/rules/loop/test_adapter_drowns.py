from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from helpers.rule_asserts import findings, findings_if_any, the_finding
from made.changes import falling, stuck, with_loss, without
from made.check_ups import check_steps, with_tables
from made.healthy import healthy_run
from made.modules import with_modules
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import ADAPTER_SCALE, LEARNING_RATE, LOSS, Kind
from tb_lossdiag.records import table
from tb_lossdiag.rules.loop.adapter_drowns import AdapterDrowns
from tb_lossdiag.run import Run
from tb_lossdiag.testing import outcome

RULE = AdapterDrowns()
LAYERS = ("h.0.query", "h.1.query", "h.2.query")
KINDS = {
    f"{layer}.{part}": Kind.LINEAR for layer in LAYERS for part in ("base_layer", "lora_B.default")
}
ADAPTERS = [name for name in KINDS if name.endswith("default")]
CHECKS = len(check_steps(healthy_run(1)[LOSS].steps))
STUCK = stuck(healthy_run(1))


def adapted(
    added: Sequence[float] | np.ndarray, scale: float = 128.0, run: Run = STUCK, said: float = 0.5
) -> Run:
    """Adapters whose last layers answer so much, times a factor, beside layers that say `said`.

    Args:
        added: one for each adapter, or for each check-up and adapter.
    """
    values = np.full((CHECKS, len(KINDS)), said)
    values[:, 1::2] = np.asarray(added, float)
    made = with_modules(run, KINDS, activation_std=values)
    scales = table(ADAPTER_SCALE, [0], [[scale] * len(ADAPTERS)], ADAPTERS)
    return with_tables(made, [scales])


SICK = adapted([0.3, 0.4, 0.5])


def test_says_how_much_and_by_what_it_is_multiplied() -> None:
    finding = the_finding(RULE, SICK)
    assert "is 100 times as large" in finding.message.en
    assert "multiplied by 128" in finding.message.en
    assert "(it was" in finding.advice.en
    assert "(it was" not in the_finding(RULE, without(SICK, LEARNING_RATE)).advice.en


@pytest.mark.parametrize(
    ("run", "fires"),
    [
        (adapted([0.0401] * 3), True),  # times 128, over 0.5
        (adapted([0.0389] * 3), False),
        (adapted([0.4, 0.0, 0.0]), False),  # one layer may say next to nothing
        (adapted([0.4, 0.4, 0.0]), True),
        (adapted([0.4, 0.4, 0.4], scale=2.0), False),
        (adapted([0.4, 0.4, 0.4], scale=-128.0), True),
        (adapted([3.0] * 3, scale=2.0), True),  # a rate that is too high
        (adapted([0.4] * 3, said=0.0), False),
    ],
)
def test_the_bounds(run: Run, fires: bool) -> None:
    assert bool(findings_if_any(RULE, run)) is fires


def test_it_must_be_so_up_to_the_newest_check_ups() -> None:
    added = np.full((CHECKS, 3), 0.4)
    added[-3] = 0.001
    assert not findings(RULE, adapted(added))
    added[-4:] = [[0.001], [0.4], [0.4], [0.4]]
    assert findings(RULE, adapted(added))


def test_an_information_where_the_run_learns() -> None:
    learned = with_loss(healthy_run(1), falling(200))
    assert the_finding(RULE, adapted([0.4] * 3, run=learned)).severity is Severity.INFO
    assert the_finding(RULE, without(SICK, LOSS)).severity is Severity.WARNING


def test_few_check_ups_and_layers_that_were_not_seen_are_not_judged() -> None:
    added = np.full((CHECKS, 3), np.nan)
    added[:2] = 0.4
    unseen = np.full((CHECKS, 3), np.nan)
    for run in (adapted(added), adapted(unseen), healthy_run(1)):
        assert outcome(RULE, run).verdict is Verdict.NOT_EVALUATED


def test_the_start_is_not_judged() -> None:
    few = {name: t for name, t in SICK.tables.items() if name == "activation_std"}
    early = few["activation_std"]
    rows = early.steps < 20
    cut = table(early.quantity, early.steps[rows], early.values[rows], early.columns)
    assert int(rows.sum()) >= 3
    assert not findings(RULE, with_tables(SICK, [cut]))
