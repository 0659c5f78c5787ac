"""Which rows of the data a step was taken with: a word of a run's facts, for steps at which something broke."""

from __future__ import annotations

import json
from collections.abc import Mapping

BROKEN_BATCHES = "broken_batches"
"""Rows of such steps: {"812": "17, 93, 4"} as JSON."""


def packed(batches: Mapping[int, str]) -> str:
    """The rows of some steps as one word.

    >>> packed({812: "17, 93"})
    '{"812": "17, 93"}'
    """
    return json.dumps({str(step): rows for step, rows in batches.items()}, ensure_ascii=False)


def rows_of(facts: Mapping[str, str], step: int) -> str:
    """The rows of a step; "" where they are not known.

    >>> rows_of({BROKEN_BATCHES: packed({812: "17, 93"})}, 812)
    '17, 93'
    >>> rows_of({BROKEN_BATCHES: "damaged"}, 812)
    ''
    """
    try:
        rows = json.loads(facts.get(BROKEN_BATCHES, "{}"))[str(step)]
    except (ValueError, TypeError, KeyError):
        return ""
    return rows if isinstance(rows, str) else ""
