"""A collector that fails: how long it rests, what is said, and what passes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from tb_lossdiag.collect.guard import Guard


class Collector:
    """Fails while `broken`; `done` counts how often it was asked to work."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.guard = Guard(self.facts.update)
        self.broken = True
        self.done = 0

    def work(self) -> str:
        self.done += 1
        if self.broken:
            raise OSError("no luck")
        return "well"

    def steps(self, count: int) -> list[str | None]:
        """What came of so many steps."""
        return list(self._steps(count))

    def _steps(self, count: int) -> Iterator[str | None]:
        for _ in range(count):
            yield self.guard.quick("gradient", self.work)
            self.guard.step()


@pytest.fixture
def collector() -> Collector:
    return Collector()


def test_one_failure_costs_one_step(collector: Collector) -> None:
    with pytest.warns(RuntimeWarning, match="gradient collector failed.*no luck"):
        assert collector.steps(1) == [None]
    collector.broken = False
    assert collector.steps(3) == ["well"] * 3
    assert collector.facts == {
        "failed gradient": "OSError: no luck",
        "resumed gradient": "after 1 failures",
    }


def test_who_fails_again_rests_eight_times_as_long(collector: Collector) -> None:
    with pytest.warns(RuntimeWarning) as seen:
        collector.steps(1 + 1 + 8 + 64)
    assert collector.done == 4
    assert len(seen) == 1
    assert collector.guard.rest("gradient") == 511
    collector.broken = False
    assert collector.steps(512) == [None] * 511 + ["well"]


def test_who_has_worked_for_as_long_as_it_rested_is_well(collector: Collector) -> None:
    with pytest.warns(RuntimeWarning):
        collector.steps(9)
    collector.broken = False
    assert collector.steps(16)[8:] == ["well"] * 8
    collector.steps(1)
    collector.broken = True
    assert collector.steps(1) == [None]  # a first failure again, and no second warning
    assert collector.guard.rest("gradient") == 0


def test_others_go_on(collector: Collector) -> None:
    with pytest.warns(RuntimeWarning):
        collector.steps(1)
    assert collector.guard.quick("loss", lambda: "well") == "well"


def test_ranks_never_come_back() -> None:
    collector = Collector()
    with pytest.warns(RuntimeWarning):
        collector.guard.quick("ranks", collector.work)
    for _ in range(10):
        collector.guard.step()
    assert collector.guard.quick("ranks", lambda: "well") is None


def test_a_door_never_rests_and_says_it_once(collector: Collector) -> None:
    with pytest.warns(RuntimeWarning) as seen:
        assert [collector.guard.door("step", collector.work) for _ in range(5)] == [None] * 5
    assert (collector.done, len(seen)) == (5, 1)


def test_a_warning_that_is_an_error_stays_inside(
    collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert collector.steps(1) == [None]
    assert "gradient collector failed" in capsys.readouterr().err


def test_who_cannot_even_say_it_stays_inside() -> None:
    def say(_: object) -> None:
        raise OSError("no ear")

    collector = Collector()
    collector.guard = Guard(say)
    with pytest.warns(RuntimeWarning, match="no luck"):
        assert collector.steps(1) == [None]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_failure_passes(collector: Collector, error: type[BaseException]) -> None:
    def stop() -> None:
        raise error

    for guarded in (collector.guard.quick, collector.guard, collector.guard.door):
        with pytest.raises(error):
            guarded("gradient", stop)
    assert not collector.facts


def test_a_hook_raises_what_it_was_told_to(collector: Collector) -> None:
    with pytest.raises(KeyError, match="stop"):
        collector.guard.hook("step", lambda *_: KeyError("stop"))(1, 2)
    collector.guard.hook("step", lambda *_: None)(1, 2)
