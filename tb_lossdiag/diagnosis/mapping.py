"""What a run lacks that one of its own scalars may be: which rules could judge if the user said so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tb_lossdiag.diagnosis.engine import Outcome
from tb_lossdiag.diagnosis.quantity_names import in_words
from tb_lossdiag.diagnosis.text import Text

_PAIR = re.compile(r"(?:^|, )([a-z_]+)=")
"""The beginnings of what the fact `perhaps` says: a quantity and the tag that may be it."""


def perhaps(facts: Mapping[str, str]) -> dict[str, str]:
    """The tag that may be a quantity, by the quantity's name.

    >>> perhaps({"perhaps": "learning_rate=a, b, global_norm=c/d"})
    {'learning_rate': 'a, b', 'global_norm': 'c/d'}
    """
    _, *parts = _PAIR.split(facts.get("perhaps", ""))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def unlocks(
    outcomes: Iterable[Outcome], facts: Mapping[str, str]
) -> list[tuple[Text, tuple[str, ...]]]:
    """What to say of a scalar, and the rules that lack nothing but what it may be; what unlocks most comes first."""
    lacking: dict[str, list[str]] = {}
    for outcome in outcomes:
        if len(outcome.missing) == 1 and not outcome.absent:
            lacking.setdefault(outcome.missing[0], []).append(outcome.code)
    known = perhaps(facts)
    found = sorted(lacking.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(_way(name, known[name]), tuple(codes)) for name, codes in found if name in known]


def _way(name: str, tag: str) -> Text:
    return Text("--map {name}={tag}, if that scalar is the {words}").format(
        name=name, tag=tag, words=in_words([name])
    )
