"""How many calls of Python and C recording adds to a step: `python tests/benchmark/calls.py [--store] [--json]`.

Time says little on a busy machine, least of all in continuous integration. The number of calls that a step makes is the same each time and
on each machine, and most of what recording costs is calls: code in a training step is cold. Each figure is a ratio to the bare step's,
`typical` of the median step, `all` of all steps, those in which something is written included (where the clock does not decide what is). `--store` notes them in `stored.json`, which
`tests/integration/test_costs.py` compares with; that asks for them with `--json`, in a process of their own: what else has gone on in a
process may have left hooks, modes and garbage behind, whose calls would be counted.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark.toggled import nothing
from benchmark.watch import PLAIN, Make, torch_clips, watched, writer_clips
from benchmark.workloads import Workload, many, mlp

PLACE = Path(__file__).with_name("stored.json")
STEPS = {"A": 300, "C": 10}
COUNTED = {
    "A": (
        "watch",
        "watch, loss",
        "watch, loss, two terms",
        "watch, loss, numbered",
        "watch, loss, scaler",
        "watch, loss, scaler off",
        "watch, loss, judged live",
        "every=100",
        "writer's clip",
    ),
    "C": ("watch, loss",),
}
TOLERANCE = {"typical": 0.15, "all": 0.6}
"""Shares by which a ratio may be larger: another version of torch or Python calls a little more or less; and what is written by the clock is
written more often where counting makes steps slow."""


def ratios(letter: str, way: str) -> dict[str, float]:
    """Calls of a step with a way of recording, in those of the bare step."""
    work = _work(letter, way)
    with tempfile.TemporaryDirectory() as folder:
        made = ways(folder)[way](work)

        def step() -> None:
            loss = work.backward()
            made.before(loss)
            work.step()
            made.after(loss)

        for _ in range(STEPS[letter]):
            step()
        counts = [calls(step) for _ in range(STEPS[letter])]
        made.close()
    alone = _bare(_work(letter, way), clips=way.startswith("writer's"))
    typical = {"typical": round(statistics.median(counts) / alone, 3)}
    if way.endswith("live"):  # when it is judged depends on the clock
        return typical
    return {**typical, "all": round(statistics.fmean(counts) / alone, 3)}


def _work(letter: str, way: str) -> Workload:
    torch.manual_seed(0)
    work = {"A": mlp, "C": many}[letter]()
    if "scaler" in way:
        work.scaler = torch.amp.GradScaler("cpu", enabled=not way.endswith("off"))
    return work


def ways(folder: str) -> Mapping[str, Make]:
    """What is counted, by name: without what depends on the time that steps take."""
    return {
        "watch": watched(folder, loss=False, **PLAIN),
        "watch, loss": watched(folder, **PLAIN),
        "watch, loss, two terms": watched(folder, terms=True, **PLAIN),
        "watch, loss, numbered": watched(folder, numbered=True, **PLAIN),
        "watch, loss, scaler": watched(folder, **PLAIN),
        "watch, loss, scaler off": watched(folder, **PLAIN),
        "watch, loss, judged live": watched(folder, on_finding=lambda _: None, **PLAIN),
        "every=100": watched(folder, every=100, **PLAIN),
        "writer's clip": writer_clips(folder, watch=False),
    }


def calls(step: Callable[[], object]) -> int:
    """Those of this thread."""
    count = 0

    def seen(_frame: object, event: str, _what: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        step()
    finally:
        sys.setprofile(before)
    return count


def _bare(work: Workload, *, clips: bool) -> float:
    look = torch_clips(work) if clips else nothing

    def step() -> None:
        look(work.backward())
        work.step()

    for _ in range(3):
        step()
    return statistics.median(calls(step) for _ in range(5))


def main() -> None:
    """Count, print, and store if that is asked for."""
    torch.set_num_threads(1)
    found = {letter: {way: ratios(letter, way) for way in some} for letter, some in COUNTED.items()}
    if "--json" in sys.argv:
        print(json.dumps(found))
        return
    for letter, counted in found.items():
        for way, ratio in counted.items():
            shown = "  ".join(f"{kind} {value:6.2f}" for kind, value in ratio.items())
            print(f"{letter}  {way:24} {shown}")
    if "--store" in sys.argv:
        PLACE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
