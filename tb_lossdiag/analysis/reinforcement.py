"""Whether a training is reinforcement learning, whose losses measure no progress: the targets are what the model itself brings about."""

from __future__ import annotations

import re

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.analysis.signals import Signal, signal
from tb_lossdiag.run import Run

_AGENT = re.compile(r"(?<![a-z])(?:policy|actor|critic|surrogate|advantages?|pg)(?![a-z])")
"""Terms of a loss that only an agent has."""
_PAIRS = (
    re.compile(r"(?<![a-z])(?:values?|q|td)(?![a-z])"),
    re.compile(r"(?<![a-z])entropy(?![a-z])"),
)
"""Terms that others have too, but not both."""
_REWARD = re.compile(
    r"(?<![a-z])(?:rewards?|episodic|episode|ep)(?![a-z])|(?<![a-z])returns?(?![a-z])"
)
_PREFERENCE = re.compile(
    r"(?<![a-z])rewards?(?![a-z]).*(?<![a-z])(?:margins?|chosen|rejected|accuracies)(?![a-z])"
    r"|(?<![a-z])(?:margins?|chosen|rejected)(?![a-z]).*(?<![a-z])rewards?(?![a-z])"
)
"""What preference tuning calls a reward is a likelihood beside the reference's, of answers that are given: nobody acts."""
_EARNED = re.compile(r"(?<![a-z])(?:rewards?|returns?)(?![a-z])")
_NO_LEVEL = re.compile(r"(?<![a-z])(?:std|var|min|max|norm|scale|length|count|eval|test)(?![a-z])")
"""What else is logged of rewards."""
_WANDERS = 3.0
"""How far the mean of the targets moves over their own standard deviation; batches of one set of data stay within a fraction."""
_APART = 4.0
"""Times by which the first batch's targets are closer together, or farther apart, than those of the others; those of data are within two."""
_ELSEWHERE = 0.5
"""The same of the middle of three batches and more, which those of one set of data move by a quarter."""
_FEW = 3
"""Check-ups whose middle one batch does not decide."""


def is_reinforcement(run: Run) -> bool:
    """Whether it has an environment to act in, logs a reward, its terms or its own values are named as an agent's, or the values it is to predict move as returns do.

    Reads `LOSS_TERM`, `EXTRA`, `CALL_TARGET_MEAN` and `CALL_TARGET_STD` if they are there.
    """
    terms, own = (_names(run, quantity) for quantity in (q.LOSS_TERM, q.EXTRA))
    both = all(any(pattern.search(name) for name in terms) for pattern in _PAIRS)
    rewarded = any(_REWARD.search(name) and not _PREFERENCE.search(name) for name in own)
    rewarded = rewarded or "agent" in run.facts
    named = both or rewarded or any(_AGENT.search(name) for name in terms)
    return named or any(targets_wander(run, call) for call in value_calls(run))


def earned(run: Run, least: int) -> Signal | None:
    """What an agent earned: as it is logged, else as the loop itself names it; None without either.

    Reads `REWARD` and `EXTRA` if they are there.

    Raises:
        NotEnough: it has fewer than `least` values.
    """
    if q.REWARD in run:
        return signal(run, q.REWARD, least)
    named = run[q.EXTRA].columns if q.EXTRA in run else ()
    apart = (_PREFERENCE, _NO_LEVEL)
    found = (
        name
        for name in named
        if _EARNED.search(name.lower()) and not any(p.search(name.lower()) for p in apart)
    )
    name = next(found, None)
    return None if name is None else signal(run, q.EXTRA, least, name)


def targets_are_renewed(run: Run) -> bool:
    """Whether values are compared with what the training itself makes, anew from time to time: by a second network, or in rounds.

    Reads `COPY_DISTANCE`, `CALL_TARGET_MEAN` and `CALL_TARGET_STD` if they are there.
    """
    known = value_calls(run)
    return bool(known) and (q.COPY_DISTANCE in run or any(_drift(run, call) for call in known))


def follows_a_copy(run: Run) -> bool:
    """Whether all that is compared are values beside a second network that may make them: the loss begins near 0, where that knows nothing yet.

    An average that is only validated makes none. Reads `COPY_DISTANCE`, `VALIDATION_LOSS`, `CALL_TARGET_MEAN` and `CALL_TARGET_STD`
    if they are there.
    """
    known = value_calls(run)
    if q.COPY_DISTANCE not in run or q.VALIDATION_LOSS in run or not known:
        return False
    return len(known) == len(run[q.CALL_TARGET_MEAN].columns)


def _drift(run: Run, call: str) -> bool:
    """Whether the targets of the last check-ups lie elsewhere than those of the first."""
    if q.CALL_TARGET_STD not in run:
        return False
    means, spreads = (run[each].column(call) for each in (q.CALL_TARGET_MEAN, q.CALL_TARGET_STD))
    known = np.isfinite(means) & np.isfinite(spreads)
    third = int(known.sum()) // 3
    if third < _FEW:
        return False
    moved = abs(float(median(means[known][-third:])) - float(median(means[known][:third])))
    return moved > _ELSEWHERE * float(median(spreads[known]))


def value_calls(run: Run) -> list[str]:
    """Calls that compare values; the classes of sorted data move as well."""
    known = run[q.CALL_TARGET_MEAN].columns if q.CALL_TARGET_MEAN in run else ()
    return [call for call in known if q.made_for(q.function(call)).symmetric]


def _names(run: Run, quantity: q.Quantity) -> list[str]:
    columns = run[quantity].columns if quantity in run else ()
    return [name.lower().replace("_", " ") for name in columns]


def targets_wander(run: Run, call: str) -> bool:
    """Whether a call's targets move away from where they were, as returns do that grow with the agent's skill.

    Reads `CALL_TARGET_MEAN` and `CALL_TARGET_STD` if they are there.
    """
    if q.CALL_TARGET_MEAN not in run or q.CALL_TARGET_STD not in run:
        return False
    means, spreads = (run[each].column(call) for each in (q.CALL_TARGET_MEAN, q.CALL_TARGET_STD))
    known = np.isfinite(means) & np.isfinite(spreads)
    if known.sum() < 3:  # noqa: PLR2004  (two may differ by chance)
        return False
    spread = float(median(spreads[known]))
    # All targets of a batch alike, and other ones in other batches: what an episode brought, which first and last may share.
    moved = (
        abs(float(means[known][-1]) - float(means[known][0])) if spread else np.ptp(means[known])
    )
    return float(moved) > _WANDERS * spread


def targets_begin_apart(run: Run, call: str) -> bool:
    """Whether a call's first targets are far closer together, or farther apart, than those that follow: no data, but what a network made.

    Reads `CALL_TARGET_STD` if it is there.
    """
    if q.CALL_TARGET_STD not in run:
        return False
    spreads = run[q.CALL_TARGET_STD].column(call)
    known = spreads[np.isfinite(spreads)]
    if len(known) <= _FEW or not known[0]:
        return False
    times = float(median(known[1:])) / float(known[0])
    return not 1 / _APART <= times <= _APART
