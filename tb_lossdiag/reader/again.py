"""Where plain scalars go back to an earlier step: a training taken up again, or another one in the same folder."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Restart

Written = tuple[Steps, Doubles]
"""Steps and wall times of a scalar, in the order of the steps."""
_FEW = 3
"""Values that say when a scalar came near a step."""
_AT_ONCE = 0.1
"""Share of the time that another scalar took, in which what was collected is written down."""
_BESIDE, _WENT_BACK, _RESUMED = "beside", "went back", "resumed"


def restarts(steps: Steps, walltimes: Doubles) -> tuple[Restart, ...]:
    """Where steps go back, in the order in which they were written.

    What begins before the values ahead of it were all written is of a writer that was open at the same time.

    >>> restarts(np.array([0, 1, 2, 1, 2]), np.array([0.0, 1, 2, 9, 10]))
    (Restart(step=1, walltime=9.0, kind='went back', undone=2, named=None),)
    """
    drops = [int(drop) + 1 for drop in np.flatnonzero(np.diff(steps) < 0)]
    latest = np.maximum.accumulate(walltimes)
    standing, found = [np.unique(steps[: drops[0]])] if drops else [], []
    for place, end in zip(drops, [*drops[1:], len(steps)], strict=True) if drops else ():
        undone = _cut(standing, int(steps[place]))
        standing.append(np.unique(steps[place:end]))
        kind = _BESIDE if walltimes[place] < latest[place - 1] else _WENT_BACK
        found.append(Restart(int(steps[place]), float(walltimes[place]), kind, undone))
    return tuple(found)


def stands(steps: Steps, walltimes: Doubles, restarts: Iterable[Restart]) -> npt.NDArray[np.bool_]:
    """Which values of another scalar are of the same training: not those at or after a step to which it went back, written before.

    Where it went on at the very end, no step had that number yet: what was written under it counts the steps that were done.
    """
    kept = np.ones(len(steps), bool)
    for restart in restarts:
        if restart.kind in {_WENT_BACK, _RESUMED}:
            first = restart.step + int(restart.kind == _RESUMED and restart.undone == 0)
            kept &= (steps < first) | (walltimes >= restart.walltime)
    return kept


def hidden(loss: Written, other: Written) -> Restart | None:
    """A restart that another scalar tells of, where the loader has dropped what the loss did before it.

    Values that were written before the loss came near their steps are of an earlier training, and none of this one's follow. Scripts
    that write their losses down at the end, of an epoch or of all, are told by that: it takes no time.
    """
    (steps, times), (at, when) = loss, other
    if len(steps) < _FEW or len(at) < _FEW:
        return None
    before = np.searchsorted(steps, at, side="right") - 2
    earlier = (before >= 0) & (times[np.maximum(before, 0)] > when)
    place = int(np.argmax(times > when[earlier].max(initial=-np.inf)))
    past = when[at >= steps[place]]
    slow = len(past) >= _FEW and np.ptp(times[place:]) >= _AT_ONCE * np.ptp(past) > 0
    if not earlier.any() or not slow:
        return None
    return Restart(int(steps[place]), float(times[place]), _WENT_BACK)


def _cut(standing: list[Steps], step: int) -> int:
    """Take what lies at or after a step from the end of segments that ascend; how many steps these were."""
    undone = 0
    while standing and standing[-1][0] >= step:
        undone += len(standing.pop())
    if standing:
        count = int(np.searchsorted(standing[-1], step))
        undone += len(standing[-1]) - count
        standing[-1] = standing[-1][:count]
    return undone
