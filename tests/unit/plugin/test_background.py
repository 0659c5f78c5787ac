"""Runs are judged whether or not somebody asks again."""

from __future__ import annotations

import threading
from collections.abc import Hashable

from tb_lossdiag.plugin.background import Background, Job

LONG = 60.0


def test_what_is_wanted_is_done_and_its_threads_end() -> None:
    background, done = Background(2), list[int]()
    background.want("group", {n: lambda n=n: done.append(n) for n in range(20)})  # type: ignore[misc]
    background.wait("group", LONG)
    assert sorted(done) == list(range(20))
    for thread in threading.enumerate():
        if thread.name == "lossdiag-judging":
            thread.join(LONG)
    background.want("group", {"more": lambda: done.append(20)})
    background.wait("group", LONG)
    assert done[-1] == 20


def test_one_that_fails_does_not_end_the_others() -> None:
    background, done = Background(1), list[str]()
    background.want("group", {"bad": lambda: 1 // 0, "good": lambda: done.append("good")})  # type: ignore[dict-item]
    background.wait("group", LONG)
    assert done == ["good"]


def test_asked_again_the_new_order_counts_and_nothing_is_done_twice() -> None:
    background, go_on, begun = Background(1), threading.Event(), threading.Event()
    done = list[str]()

    def slow() -> None:
        begun.set()
        assert go_on.wait(LONG)
        done.append("slow")

    names = ("b", "c")
    background.want("group", {"slow": slow, **{n: lambda n=n: done.append(n) for n in names}})  # type: ignore[misc]
    assert begun.wait(LONG)
    background.want("group", {"c": lambda: done.append("c"), "slow": slow})
    background.want("other", {"first": lambda: done.append("first")})
    background.wait("group", 0.0)
    go_on.set()
    background.wait("group", LONG)
    background.wait("other", LONG)
    assert done == ["slow", "first", "c"]


def test_what_somebody_waits_for_waits_for_nothing_that_is_being_done() -> None:
    background, go_on, begun = Background(1), threading.Event(), threading.Event()
    done = list[str]()

    def slow() -> None:
        begun.set()
        assert go_on.wait(LONG)
        done.append("slow")

    jobs: dict[Hashable, Job] = {
        "slow": slow,
        "next": lambda: done.append("next"),
        "opened": lambda: done.append("opened"),
    }
    background.want("group", jobs)
    assert begun.wait(LONG)
    background.want("group", jobs, "opened")
    background.wait("group", LONG, "opened")
    assert done == ["opened"]
    background.want("group", {"slow": slow, "next": jobs["next"]}, "unknown")
    go_on.set()
    background.wait("group", LONG)
    assert done == ["opened", "slow", "next"]
