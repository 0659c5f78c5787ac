"""What a way of recording adds to a training, measured on one and the same training.

Its hooks are taken off and put back between short stretches of steps, so that nothing else differs: not where the model lies in memory,
not what the machine does this minute. What counts is the processor time of all threads. Each stretch with it is compared with the mean of
the two without beside it; medians over the rounds, and how far neighbouring bare stretches differ, which is what cannot be told apart.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from benchmark.workloads import Workload
from torch import Tensor, nn

Look = Callable[[Tensor], object]
HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
)
"""Tables of hooks that a module has."""


def nothing(_loss: Tensor) -> None:
    """Between two parts of a step."""


@dataclass
class Way:
    """A way of recording, set up on a training.

    Attributes:
        before: what its user calls between the backward pass and the optimizer's step.
        after: what its user calls after that.
        close: ends it.
    """

    before: Look = nothing
    after: Look = nothing
    close: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Cost:
    """What was measured.

    Attributes:
        bare: seconds of processor a step without it, a stretch each.
        added: what each stretch with it took more than those beside it, as a share of them.
    """

    bare: tuple[float, ...]
    added: tuple[float, ...]

    @property
    def share(self) -> float:
        """The median."""
        return statistics.median(self.added)

    @property
    def noise(self) -> float:
        """How far bare stretches beside each other differ, as a share."""
        pairs = zip(self.bare, self.bare[1:], strict=False)
        return statistics.median(abs(one / other - 1) for one, other in pairs)

    def __str__(self) -> str:
        """Median, the middle half, the mean, which counts what comes seldom, the number of rounds, the step and its noise."""
        low, high = np.quantile(self.added, (0.25, 0.75))
        step = statistics.median(self.bare)
        return (
            f"{100 * self.share:+8.1f} % ({100 * low:+.1f} to {100 * high:+.1f},"
            f" mean {100 * statistics.fmean(self.added):+.1f}, n = {len(self.added)})"
            f" {1e6 * step * self.share:9.0f} us; bare {1e3 * step:.2f} ms ±{100 * self.noise:.1f} %"
        )


def measure(
    work: Workload, make: Callable[[Workload], Way], rounds: int, *, bare: Look = nothing
) -> Cost:
    """Set a way of recording up on a training, warm it up, and measure it.

    Args:
        work: the training.
        make: sets it up.
        rounds: stretches with it.
        bare: what stands between backward pass and step without it, such as torch's own clip.
    """
    way = make(work)
    hooks = Hooks(work)
    _steps(work, way.before, way.after, work.warm)
    alone: list[float] = []
    recorded: list[float] = []
    for _ in range(rounds + 1):
        hooks.off()
        alone.append(_steps(work, bare, nothing, work.stretch))
        hooks.on()
        if len(recorded) < rounds:
            recorded.append(_steps(work, way.before, way.after, work.stretch))
    way.close()
    added = (
        took / ((a + b) / 2) - 1 for took, a, b in zip(recorded, alone[:-1], alone[1:], strict=True)
    )
    return Cost(tuple(alone), tuple(added))


def _steps(work: Workload, before: Look, after: Look, count: int) -> float:
    """Seconds of processor of a step; of no steps, none."""
    begin = time.process_time()
    for _ in range(count):
        loss = work.backward()
        before(loss)
        work.step()
        after(loss)
    return (time.process_time() - begin) / max(count, 1)


class Hooks:
    """All hooks of a training: of its model's modules and parameters, and of its optimizer."""

    def __init__(self, work: Workload) -> None:
        self._work = work
        self._kept: list[tuple[dict[int, object], dict[int, object]]] = []

    def off(self) -> None:
        """Take them off; tables stay where torch knows them."""
        self._kept = [(table, dict(table)) for table in _tables(self._work) if table]
        for table, _ in self._kept:
            table.clear()

    def on(self) -> None:
        """Put them back."""
        for table, hooks in self._kept:
            table.update(hooks)


def _tables(work: Workload) -> Iterator[dict[int, object]]:
    optimizer = work.optimizer
    yield optimizer._optimizer_step_pre_hooks  # type: ignore[misc]
    yield optimizer._optimizer_step_post_hooks  # type: ignore[misc]
    for module in work.model.modules():
        for name in HOOKS:
            yield getattr(module, name)
    for parameter in work.model.parameters():
        yield from _of_tensor(parameter)


def _of_tensor(parameter: nn.Parameter) -> Iterator[dict[int, object]]:
    for name in ("_backward_hooks", "_post_accumulate_grad_hooks"):
        table = getattr(parameter, name, None)
        if table is not None:
            yield table
