from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import numpy as np
from rich.console import Console

from made.changes import optimized_by, with_constant_clipping, with_loss, without
from made.healthy import healthy_run
from tb_lossdiag.config import Policy, Settings, Suppression, Threshold
from tb_lossdiag.quantities import CLIP_MAX_NORM, LEARNING_RATE, LOSS, PARAMETER_SIZE
from tb_lossdiag.report.comparison import Judged, compare
from tb_lossdiag.report.comparison_text import markdown, show
from tb_lossdiag.rules import RULES
from tb_lossdiag.run import Run

POLICY = Policy(RULES)
WELL = healthy_run(1, layers=4, optimizer="SGD")


def judged(run: Run, policy: Policy = POLICY) -> Judged:
    return Judged(run, policy.diagnose(run), policy.rules)


def broken(run: Run) -> Run:
    values = run[LOSS].values[:, 0].copy()
    values[100:] = np.nan
    return with_loss(run, values)


def codes(document: dict[str, object], kind: str) -> list[str]:
    findings: dict[str, list[dict[str, object]]] = document["findings"]  # type: ignore[assignment]
    return [str((f.get("b") or f.get("finding") or f)["code"]) for f in findings[kind]]  # type: ignore[index]


def test_fixed_new_and_still_there() -> None:
    clipped = with_constant_clipping(WELL)
    both = broken(clipped)
    document = compare(judged(both), judged(clipped))
    assert codes(document, "fixed") == ["LD101"]
    assert codes(document, "still") == ["LD301"]
    assert codes(document, "new") == []
    assert codes(compare(judged(clipped), judged(both)), "new") == ["LD101"]
    json.dumps(document, allow_nan=False)


def test_what_could_not_be_judged_is_not_fixed() -> None:
    sick = with_constant_clipping(WELL)
    blind = without(sick, CLIP_MAX_NORM)
    document = compare(judged(sick), judged(blind))
    assert codes(document, "fixed") == []
    assert codes(document, "unclear") == ["LD301"]
    assert "clips" in document["findings"]["unclear"][0]["reason"]
    assert document["findings"]["unclear"][0]["in"] == "a"
    assert codes(compare(judged(blind), judged(sick)), "unclear") == ["LD301"]


def test_what_is_accepted_in_one_is_still_there_and_in_both_is_nothing() -> None:
    sick = judged(with_constant_clipping(WELL))
    accepted = judged(sick.run, Policy(RULES, [Suppression("LD301", "on purpose")]))
    assert codes(compare(sick, accepted), "still") == ["LD301"]
    assert codes(compare(sick, accepted), "fixed") == []
    for kind in ("fixed", "new", "still", "unclear"):
        assert codes(compare(accepted, accepted), kind) == []


def test_what_differs_is_listed_and_nothing_else() -> None:
    other = optimized_by(WELL, "AdamW")
    other = replace(other, tables={n: t for n, t in other.tables.items() if n != "extra"})
    rules = Policy.of(Settings(thresholds=(Threshold.option("LD104.max_fall=0.5"),)))
    rows = {
        row["name"]: (row["a"], row["b"])
        for row in compare(judged(WELL), judged(other, rules))["facts"]
    }
    assert rows == {
        "optimizer": ("SGD", "AdamW"),
        "recorded": ("extra", ""),
        "LD104.max_fall": ("0.02", "0.5"),
    }


def test_learning_rates_and_bounds_are_compared_by_value() -> None:
    table = WELL[LEARNING_RATE]
    faster = dataclasses.replace(table, values=table.values * 10)
    other = replace(WELL, tables={**WELL.tables, "learning_rate": faster})
    document = compare(judged(WELL), judged(other))
    names = [f"learning_rate[group 0], {when}" for when in ("highest", "first", "last")]
    assert [row["name"] for row in document["facts"]] == names
    curve = next(c for c in document["curves"] if c["quantity"] == "learning_rate")
    assert curve["parts_at"] == 0


def test_markdown_in_both_languages() -> None:
    document = compare(judged(broken(WELL)), judged(WELL))
    english, chinese = markdown(document), markdown(document, "zh-CN")
    assert "## Fixed" in english
    assert "LD101" in english
    assert "## 已解决" in chinese


def test_a_terminal_is_told_the_same() -> None:
    both = broken(with_constant_clipping(WELL))
    lacking = without(WELL, CLIP_MAX_NORM)
    document = compare(judged(both), judged(lacking))
    console = Console(record=True, width=300)
    show(console, document)
    said = console.export_text()
    assert said.startswith("healthy-1 (broken) compared with healthy-1 (")
    fixed, unclear = said.index("\nFixed"), said.index("\nJudged in only one of them")
    assert fixed < said.index("■ LD101") < unclear < said.index("▲ LD301")
    assert "): A; " in said, "where it was found, and why the other could not be judged"
    assert "\nStill there" not in said


def test_what_both_have_is_told_as_it_is_in_the_second() -> None:
    console = Console(record=True, width=300)
    clipped = with_constant_clipping(WELL)
    show(console, compare(judged(clipped), judged(clipped)))
    said = console.export_text()
    assert said.index("Still there") < said.index("▲ LD301")
    assert "loss: identical" in said


def test_a_curve_that_parts_says_where_and_what_follows() -> None:
    layers = {n: replace(t, values=t.values * 10) for n, t in WELL.tables.items() if "norm" in n}
    other = replace(WELL, tables={**WELL.tables, **layers})
    said = markdown(compare(judged(WELL), judged(other)))
    assert "- gradient\\_norm" in said
    assert "more columns part later" in said


def test_runs_of_nothing_in_common_have_nothing_to_list() -> None:
    told = compare(judged(Run("a", {})), judged(Run("b", {})))
    assert (told["curves"], told["facts"]) == ([], [])
    assert markdown(told).count("- nothing") == 2


def test_without_sizes_parameters_are_not_counted() -> None:
    blind = without(WELL, PARAMETER_SIZE)
    names = {row["name"]: row for row in compare(judged(WELL), judged(blind))["facts"]}
    assert names["parameters"]["b"] == ""
    assert names["parameters"]["a"] != ""


def test_models_that_differ_by_few_of_their_parameters_differ() -> None:
    sizes = WELL[PARAMETER_SIZE]

    def sized(more: float) -> Run:
        values = np.zeros_like(sizes.values)
        values[:, 0] = 1_100_000 + more
        return replace(
            WELL, tables={**WELL.tables, "parameter_size": replace(sizes, values=values)}
        )

    rows = {row["name"]: row for row in compare(judged(sized(0)), judged(sized(512)))["facts"]}
    assert (rows["parameters"]["a"], rows["parameters"]["b"]) == ("1100000", "1100512")


def test_levels_that_differ_are_rows() -> None:
    values = WELL[LOSS].values[:, 0] * 10
    rows = compare(judged(WELL), judged(with_loss(WELL, values)))["facts"]
    assert any("loss" in row["name"] for row in rows)
