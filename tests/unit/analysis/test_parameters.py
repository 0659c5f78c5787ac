from __future__ import annotations

import numpy as np
import pytest

from made.changes import optimized_by
from made.healthy import healthy_run
from tb_lossdiag.analysis.parameters import Family, compact, family, listed, rate, weights
from tb_lossdiag.run import Run


def test_weights_are_neither_biases_nor_normalisation() -> None:
    sizes = {
        "0.weight": 640.0,
        "0.bias": 10.0,
        "1.weight": 10.0,
        "1.bias": 10.0,
        "blocks.0.ln_1.weight": 64.0,
        "final_norm.weight": 64.0,
        "rnn.weight_hh_l0": 256.0,
        "rnn.bias_hh_l0": 32.0,
        "temperature": 1.0,
    }
    chosen = weights(tuple(sizes), np.array(list(sizes.values())))
    assert [n for n, ok in zip(sizes, chosen, strict=True) if ok] == [
        "0.weight",
        "rnn.weight_hh_l0",
    ]


def test_weights_go_by_name_where_sizes_are_unknown() -> None:
    assert weights(("a.weight", "a.bias"), np.full(2, np.nan)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        (["a.x.w", "a.x.b", "a.y.w"], ("a.*",)),
        (["a.x.w", "a.x.b"], ("a.x.*",)),
        (["a.x.w"], ("a.x.w",)),
        (["w"], ("w",)),
        (["a.x.w", "a.x.b", "a.y.w", "ab.w", "w"], ("a.*", "ab.w", "w")),
    ],
)
def test_compact_names_whole_modules(names: list[str], patterns: tuple[str, ...]) -> None:
    assert compact(names, ["a.x.w", "a.x.b", "a.y.w", "ab.w", "w"]) == patterns


def test_listed_shortens() -> None:
    assert listed(["a", "b", "c"], 2) == "`a`, `b` … (+1)"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SGD", Family.SGD),
        ("AdamW", Family.ADAM),
        ("", Family.UNKNOWN),
        ("SGD, Adam", Family.UNKNOWN),
    ],
)
def test_family(name: str, expected: Family) -> None:
    assert family(optimized_by(healthy_run(0), name)) is expected


def test_rate_is_that_of_the_step_or_the_largest() -> None:
    run = healthy_run(0, optimizer="SGD")
    assert rate(run) == pytest.approx(0.02, rel=0.1)
    assert rate(run, 0) == pytest.approx(0.002, rel=0.1)
    assert rate(run, -1) is None
    assert rate(Run("empty")) is None
