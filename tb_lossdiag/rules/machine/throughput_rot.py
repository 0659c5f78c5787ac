"""LD811 throughput-rot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Sighting, columns, too_few
from tb_lossdiag.analysis.trend import rising
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Steps get slower and slower: from {first} s in the first half to {last} s at the end, {times} times as much (medians), and not in a single stretch."
)
_FALLS = Text(
    "The throughput falls further and further: from {first} a second in the first half to {last} at the end, {times} times less (medians), and not in a single stretch."
)
_JUDGED = Text("time of a step without that of recording")
_ADVICE = Text("""Something grows from step to step. Look for what is kept:

- A list of losses or outputs that still have their graph: append `loss.item()` or `loss.detach()`, not `loss`.
- `backward(retain_graph=True)`, or a hidden state carried over without `detach()`: each step goes through all before it.
- Hooks, loggers or callbacks that are added in the loop again and again; a file or table that is written anew as a whole.
- Memory: `torch.cuda.memory_allocated()` at the same place of each step; what grows there is kept.""")
_LONGER = ("token", "length", "seq")


@dataclass(frozen=True)
class ThroughputRot:
    """Steps take longer and longer.

    Why it matters: what grows by a little at each step costs the second half of a long run more than the first, and often ends in the
    memory being full.

    How it decides: the median time of a step in the last tenth of the records is at least `min_growth` times that of their first half, without the time that
    recording takes, and over ten equal parts of the run medians rise (Mann and Kendall's z of `min_trend` or more). The first `skipped` steps are left out. Of
    a log without the time of a step its throughput is judged by what it is one over. An information. Unit: s; 1/s.

    What to try first: look for what is kept from step to step.

    Guards against: short runs (`min_seconds`), in which whatever else the machine does decides; a slow stretch and evaluations now and then (medians, and the trend over all
    parts); batches that get longer, where own values named after tokens or lengths grow half as much; answers, sequences or batches that grow in a log, by
    which the bound is raised; a tag that is a clock, which never goes back.

    References: PyTorch, "Frequently asked questions", on histories that are kept across a training loop.
    """

    code: ClassVar[str] = "LD811"
    name: ClassVar[str] = "throughput-rot"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Steps get slower and slower")
    reads: ClassVar[tuple[Quantity, ...]] = (q.STEP_SECONDS,)
    instead: ClassVar[tuple[Quantity, ...]] = (q.THROUGHPUT,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.OWN_SECONDS,
        q.EXTRA,
        q.THROUGHPUT,
        q.ANSWER_LENGTH,
        q.STEP_TOKENS,
        q.STEP_SAMPLES,
    )
    explains: ClassVar[tuple[str, ...]] = ()

    #: times, 1; a machine shared with others varies by a fifth, seldom by two fifths from end to end
    min_growth: float = 1.4
    #: standard deviations of chance, 1; ten parts in order have 3.9, seven of ten pairs in order 1.9
    min_trend: float = 3.0
    #: s; what a machine does besides lasts for minutes
    min_seconds: float = 600.0
    #: steps; the first ones compile, allocate and fill queues
    skipped: int = 20
    #: records after them, of which a tenth must give a median
    min_records: int = 50

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for each watched model whose steps rot."""
        told = q.STEP_SECONDS if q.STEP_SECONDS in run else q.THROUGHPUT
        seen = [self._judged(run, each) for each in columns(run, told)]
        known = [each for each in seen if len(each.values) >= self.min_records]
        if not known:
            raise too_few(
                self.min_records, Text("records of the time of a step after the first ones")
            )
        if max(_lasted(run[told]), *(_took(told, each) for each in known)) < self.min_seconds:
            needs = Text("a run of {seconds} seconds or more")
            raise NotEnough(needs.format(seconds=short_number(self.min_seconds)))
        bound = self.min_growth * self._holds_more(run)
        for each in known:
            if self._rots(_costs(told, each.values), bound) and not self._longer(run):
                yield self._finding(told, each, bound)

    def _judged(self, run: Run, seen: Sighting) -> Sighting:
        """Times without those of recording, after the first steps."""
        late = seen.steps >= seen.steps[0] + self.skipped
        steps, values = seen.steps[late], seen.values[late].astype(np.float64)
        if q.OWN_SECONDS in run:
            own = run[q.OWN_SECONDS].at(steps, [seen.column])[:, 0]
            values = np.maximum(values - np.nan_to_num(own), 0.0)
        return Sighting(seen.column, steps, values)

    def _rots(self, values: Doubles, bound: float) -> bool:
        first, last = _ends(values)
        parts = np.array([np.median(part) for part in np.array_split(values, 10)])
        return last >= bound * first > 0 and rising(parts) >= self.min_trend

    def _holds_more(self, run: Run) -> float:
        """By which factor a step of a log holds more in the end, at least: tokens may be those of all its sequences."""
        held = (q.ANSWER_LENGTH, q.STEP_TOKENS, q.STEP_SAMPLES)
        return max(self._growth(run, each) for each in held)

    def _growth(self, run: Run, quantity: Quantity) -> float:
        """1 for what does not grow, or is not known."""
        for _, _, values in columns(run, quantity):
            first, last = _ends(values.astype(np.float64))
            if len(values) >= self.min_records and first > 0:
                return max(1.0, last / first)
        return 1.0

    def _longer(self, run: Run) -> bool:
        """Whether batches get longer, as far as own values say."""
        if q.EXTRA not in run:
            return False
        for column, _, values in columns(run, q.EXTRA):
            named = any(word in column.lower() for word in _LONGER)
            if named and len(values) >= self.min_records:
                first, last = _ends(values.astype(np.float64))
                if last >= (1 + (self.min_growth - 1) / 2) * first > 0:
                    return True
        return False

    def _finding(self, told: Quantity, seen: Sighting, bound: float) -> Finding:
        first, last = _ends(seen.values)
        by_time = told is q.STEP_SECONDS
        times = last / first if by_time else first / last
        message = (_MESSAGE if by_time else _FALLS).format(
            first=short_number(first), last=short_number(last), times=short_number(times)
        )
        ends = int(seen.steps[0]), int(seen.steps[-1])
        limit = bound * first if by_time else first / bound
        piece = Evidence(told.name, seen.column, *ends, last, limit)
        if by_time:
            piece = with_judged(piece, _JUDGED, seen.steps, seen.values, "s")
        numbers = {"growth": times}
        return Finding(self.code, self.severity, seen.column, (piece,), message, _ADVICE, numbers)


def _ends(values: Doubles) -> tuple[float, float]:
    """Medians of the first half and of the last tenth."""
    return float(np.median(values[: len(values) // 2])), float(
        np.median(values[-len(values) // 10 :])
    )


def _lasted(table: Table) -> float:
    """Seconds by wall time; 0 for a log that tells none."""
    return float(table.walltimes[-1] - table.walltimes[0]) if len(table) else 0.0


def _took(told: Quantity, seen: Sighting) -> float:
    """Seconds by what each step took."""
    if told is not q.STEP_SECONDS:
        return 0.0
    return float((seen.values[1:] * np.diff(seen.steps)).sum())


def _costs(told: Quantity, values: Doubles) -> Doubles:
    """What gets larger as steps get slower."""
    return values if told is q.STEP_SECONDS else 1 / np.maximum(values, 1e-30)
