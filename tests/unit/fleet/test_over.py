"""What stands out among the settings of sick runs, and what does not."""

from __future__ import annotations

import random

from tb_lossdiag.fleet.over import over_represented


def fleet(count: int) -> dict[str, dict[str, str]]:
    return {
        f"run {i}": {
            "optimizer": ("sgd", "adam")[i % 2],
            "lr": str(10.0 ** (i % 5 - 3)),
            "seed": str(i),
            "machine": "one",
        }
        for i in range(count)
    }


def test_the_setting_that_makes_them_sick_is_named_first() -> None:
    runs = fleet(100)
    sick = [name for name, own in runs.items() if own["lr"] == "10.0"]
    first, *_ = over_represented(runs, sick)
    assert (first.name, first.value, first.among, first.of, first.all_with) == (
        "lr",
        "10.0",
        20,
        20,
        20,
    )
    assert first.chance < 1e-10


def test_of_many_numbers_the_ends_are_looked_at() -> None:
    chance = random.Random(0)  # noqa: S311
    runs = {str(i): {"lr": f"{10 ** chance.uniform(-5, 0):.6f}"} for i in range(200)}
    sick = [name for name, own in runs.items() if float(own["lr"]) > 0.2]
    (found,) = over_represented(runs, sick)
    assert found.name == "lr"
    assert found.value.startswith("≥ ")
    slow = [name for name, own in runs.items() if float(own["lr"]) < 1e-4]
    assert over_represented(runs, slow)[0].value.startswith("≤ ")


def test_two_names_for_the_same_runs_are_told_once() -> None:
    runs = fleet(100)
    for own in runs.values():
        own["rate"] = own["lr"]
    sick = [name for name, own in runs.items() if own["lr"] == "10.0"]
    assert [found.name for found in over_represented(runs, sick)] == ["lr"]


def test_chance_names_nothing() -> None:
    """Of a hundred fleets whose sick runs were drawn, one at most is told something."""
    chance = random.Random(1)  # noqa: S311
    told = 0
    for _ in range(100):
        runs = {str(i): {f"s{k}": str(chance.randrange(4)) for k in range(20)} for i in range(80)}
        told += bool(over_represented(runs, chance.sample(sorted(runs), 15)))
    assert told <= 1, told


def test_few_runs_and_words_tell_nothing() -> None:
    assert over_represented({}, []) == []
    runs = fleet(6)
    assert over_represented(runs, ["run 1", "run 2"]) == []
    words = {str(i): {"note": f"words {i}"} for i in range(50)}
    assert over_represented(words, ["1", "2", "3", "4"]) == []
    assert over_represented(runs, ["a run that is not there"]) == []
