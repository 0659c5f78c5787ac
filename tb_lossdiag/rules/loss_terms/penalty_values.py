"""LD407's words on penalties: what to do, and what the values of the terms alone say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.burden import Burden
from tb_lossdiag.analysis.given_up import GivenUp, Shrunk
from tb_lossdiag.analysis.progress import below_baseline
from tb_lossdiag.analysis.terms import penalties, term_fall, typical_weight
from tb_lossdiag.diagnosis.rule import Evidence, Text, short_number
from tb_lossdiag.run import Run

_SHRUNK = Text(
    "`{penalty}` has fallen from {start} to {end} by step {first}, so hardly anything of the weights is left; {data}."
)
_REGROWN = Text(
    "`{data}` had come down to {best} by step {step} and is at {end} now, {times} times as much, while `{penalty}`, which is most of the loss, went on falling from {start} to {rest}: what was learned is given up for it."
)
_BURDEN = Text(
    "`{penalty}` is {first}% of the loss at the start and {last}% over the last quarter, while `{data}` went from {start} to {end} and stands still there."
)
_STILL = Text(
    "`{penalty}` is {first}% of the loss at the start and {last}% over the last quarter, while `{data}` stands still at {end}."
)
_NO_FALL = Text("no other term has lost more than {percent}% of its start")
_CONSTANT = Text("the model's answer costs no less than a constant one")
_TERM_ADVICE = Text("""Let the data speak first: lower the weight of `{penalty}` from {weight} to about {less}, or bring it in slowly.

```python
weight = {less} * min(1.0, step / {ramp})
```""")


class Said(NamedTuple):
    """What is said of a penalty."""

    penalty: str
    message: Text
    evidence: tuple[Evidence, ...]
    numbers: dict[str, float]


def regrown(run: Run, names: tuple[str, str], course: GivenUp, limit: float) -> Said:
    """A penalty for which a data term is given up again."""
    penalty, data = names
    step = int(run[q.LOSS_TERM].steps[course.row])
    numbers = {name: getattr(course, name) for name in ("best", "end", "start", "rest")}
    numbers["times"] = course.end / course.best
    words = {name: short_number(value) for name, value in numbers.items()}
    message = _REGROWN.format(penalty=penalty, data=data, step=str(step), **words)
    ends = step, int(run[q.LOSS_TERM].steps[-1])
    evidence = (
        Evidence(q.LOSS_TERM.name, data, *ends, numbers["times"], limit),
        Evidence(q.LOSS_TERM.name, penalty, *ends),
    )
    return Said(penalty, message, evidence, numbers)


def burdened(run: Run, names: tuple[str, str], load: Burden, kept: float) -> Said:
    """A penalty that is most of the loss throughout, with a data term that stands still half learned."""
    penalty, data = names
    steps = run[q.LOSS_TERM].steps
    words = {"first": f"{100 * load.first:.0f}", "last": f"{100 * load.last:.0f}"}
    words |= {"start": short_number(load.start), "end": short_number(load.end)}
    text = _BURDEN if words["start"] != words["end"] else _STILL
    message = text.format(penalty=penalty, data=data, **words)
    ends = int(steps[0]), int(steps[-1])
    evidence = (
        Evidence(q.LOSS_TERM.name, penalty, *ends),
        Evidence(q.LOSS_TERM.name, data, *ends, load.end, kept * load.start),
    )
    return Said(penalty, message, evidence, load._asdict())


def shrunken(run: Run, name: str, course: Shrunk, why: tuple[Text, float]) -> Said:
    """A penalty that has fallen to nearly nothing with the data not learned, in which sense, and the limit."""
    data, most = why
    first, last = (int(run[q.LOSS_TERM].steps[row]) for row in (course.row, -1))
    numbers = {"start": course.start, "end": course.end}
    words = {key: short_number(value) for key, value in numbers.items()}
    message = _SHRUNK.format(penalty=name, first=str(first), data=data, **words)
    limit = most * course.start
    evidence = Evidence(q.LOSS_TERM.name, name, first, last, course.end, limit)
    return Said(name, message, (evidence,), numbers)


def unlearned(run: Run, least: float) -> Text | None:
    """In which sense no data term is learned; None if one is."""
    table = run[q.LOSS_TERM]
    data = [n for n in table.columns if n not in penalties(run, table.columns)]
    falls = [float(term_fall(run, n, table.steps[-1:])[0]) for n in data]
    if falls and max(np.nan_to_num(falls)) < least:
        return _NO_FALL.format(percent=short_number(100 * max(0.0, *falls)))
    # A term may fall far from a bad start and still not know more than a constant.
    return _CONSTANT if falls and below_baseline(run) is False else None


def less(run: Run, name: str, times: float, last: int) -> Text:
    """Advice to divide a penalty's weight, or to bring it in slowly over a quarter of the steps."""
    weight = typical_weight(run, name)
    fewer = short_number(float(f"{weight / times:.1g}"))
    ramp = str(max(100, last // 4))
    return _TERM_ADVICE.format(penalty=name, weight=short_number(weight), less=fewer, ramp=ramp)
