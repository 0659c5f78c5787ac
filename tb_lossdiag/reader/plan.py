"""Which scalars of a run are which quantity: decided from the tags alone, before anything is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tb_lossdiag.quantities import (
    ACCURACY,
    BY_NAME,
    CHOSEN_LOGP,
    CHOSEN_REWARD,
    LOSS,
    LOSS_TERM,
    REWARD,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
    VALIDATION_LOSS_TERM,
    Axis,
    Quantity,
)
from tb_lossdiag.reader import agents, durations, experts
from tb_lossdiag.reader.phases import Source
from tb_lossdiag.reader.styles import ANY, NO_DESCENT, STYLES, Patterns, Style, normalised

TagMap = Mapping[str, tuple[str, ...]]
"""The user's own tags: {"loss": ("my/tag",), "loss_term.kl": ("vae/kl",)}; of several tags the first that exists counts."""

_TELLING = re.compile("loss|nll|lr|learning_rate|norm|acc|top")
"""What every pattern has in it; runs have many more tags than these, and listings are read often."""
_SINGLE = {Axis.RUN, Axis.WATCH}
_NAMED = {Axis.TERM, Axis.MODULE}
_TOTALS = {LOSS_TERM: LOSS, VALIDATION_LOSS_TERM: VALIDATION_LOSS}
_COURSES = {*_TOTALS, *_TOTALS.values(), ACCURACY, VALIDATION_ACCURACY}
"""What tells how far a training has come."""


_LANGUAGE = re.compile(
    r"(?:^|/)(?:mean_token_accuracy|num_(?:input_)?tokens(?:_seen)?|(?:lm_loss_)?(?:perplexity|ppl)|tokens(?:_per_|/)(?:s|sec|second)"
    r"|lm_loss(?:_validation)?)$"
)
"""Tags that only the training of a language model has: TRL, Transformers (include_num_input_tokens_seen), Megatron-LM, fairseq."""


@dataclass(frozen=True)
class Plan:
    """What to read of a run.

    Attributes:
        sources: for each quantity its columns and where they come from.
        style: name of the framework that wrote them, "" if not known.
        summed: totals to build from their terms, by the quantity of the terms.
        optimizer: its class name if a tag tells, else "".
        mapped: keys of the user's mapping that found their tag.
        no_descent: the tag that says that this training's loss measures no progress, else "".
        language: the tag that says that a language model is trained, else "".
    """

    sources: Mapping[Quantity, Mapping[str, Source]] = field(default_factory=dict)
    style: str = ""
    summed: Mapping[Quantity, Quantity] = field(default_factory=dict)
    optimizer: str = ""
    mapped: frozenset[str] = frozenset()
    no_descent: str = ""
    language: str = ""

    def series(self) -> set[Source]:
        """Everything it reads."""
        return {source for columns in self.sources.values() for source in columns.values()}

    def has_loss(self) -> bool:
        """Whether there is a curve to judge."""
        found = {*self.sources, *self.summed.values()}
        return bool(found & {LOSS, VALIDATION_LOSS})

    def can_be_judged(self) -> bool:
        """Whether there is a loss, or what an agent is rewarded with."""
        return self.has_loss() or REWARD in self.sources

    def without(self, quantities: set[str]) -> Plan:
        """The plan less what is recorded already."""
        kept = {q: c for q, c in self.sources.items() if q.name not in quantities}
        summed = {q: t for q, t in self.summed.items() if q in kept and t.name not in quantities}
        return replace(self, sources=kept, summed=summed)


def plan(tags: Mapping[str, Source], mapped: TagMap) -> Plan:
    """Recognise quantities among a run's tags (with phases in front).

    Args:
        tags: see `phases.grouped`.
        mapped: what the user says; it wins.
    """
    names = _named(tags, _TELLING)
    style = next((style for style in STYLES if style.applies(list(names))), ANY)
    sources = {**_styled(style, names)}
    for quantity, columns in _styled(ANY, names).items():
        sources.setdefault(quantity, columns)
    for quantity, columns in rewarded(tags).items():
        sources.setdefault(quantity, columns)
    sources |= _found(experts.LOADS, _named(tags, experts.TELLING))
    timed = _named(tags, durations.TELLING)
    sources |= _found(durations.patterns(timed), timed)
    other = next((tag for tag in sorted(tags) if NO_DESCENT.fullmatch(normalised(tag))), "")
    if REWARD in sources:
        other = other or sources[REWARD][""].tag
    if other:
        sources = {q: c for q, c in sources.items() if q not in _COURSES}
    own = _own(tags, mapped)
    for key, source in own.items():
        quantity, column = wanted(key)
        sources[quantity] = {**_others(sources.get(quantity, {}), quantity, own), column: source}
    terms = _TOTALS if style.summed else {}
    summed = {q: total for q, total in terms.items() if q in sources and total not in sources}
    tokens = next((tag for tag in sorted(tags) if _LANGUAGE.search(normalised(tag))), "")
    return Plan(sources, style.name, summed, _optimizer(tags), frozenset(own), other, tokens)


def _named(tags: Mapping[str, Source], telling: re.Pattern[str]) -> dict[str, Source]:
    """Those tags that may mean something, as patterns are written."""
    names: dict[str, Source] = {}
    for tag in sorted(tags):
        name = normalised(tag)
        if telling.search(name):
            names.setdefault(name, tags[tag])
    return names


def rewarded(tags: Mapping[str, Source]) -> dict[Quantity, dict[str, Source]]:
    """What an agent's log says of it, and what a preference tuning's does; nothing of others."""
    names = _named(tags, agents.TELLING)
    sign = _found(agents.SIGN, names)
    if not sign and len(both := _found(agents.SPREAD, names)) == len(agents.SPREAD):
        sign = both
    pairs = _found(agents.PREFERENCE, names)
    return {
        **sign,
        **(_found(agents.AGENT, names) if sign else {}),
        # A margin and an accuracy are of preferences only beside what is chosen.
        **(pairs if CHOSEN_REWARD in pairs or CHOSEN_LOGP in pairs else {}),
    }


def wanted(key: str) -> tuple[Quantity, str]:
    """Quantity and column of a key of the user's mapping.

    Raises:
        ValueError: it names no quantity; the message says which are usual.
    """
    name, _, column = key.partition(".")
    if name not in BY_NAME:
        usual = "loss, validation_loss, learning_rate, global_norm, loss_term.NAME"
        raise ValueError(f"there is no quantity {name!r}; usual ones: {usual}")
    quantity = BY_NAME[name]
    if not column and quantity.axis not in {*_SINGLE, Axis.GROUP}:
        raise ValueError(f"{name} is one per {quantity.axis.value}: write {name}.NAME=TAG")
    return quantity, column or ("group 0" if quantity.axis is Axis.GROUP else "")


def require_known(mapped: TagMap, origin: str) -> None:
    """Refuse a mapping that names no quantity: a misspelt one must not pass for a healthy run.

    Raises:
        ValueError: it does; the message begins with who says so.
    """
    try:
        for key in mapped:
            wanted(key)
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from None


def _own(tags: Mapping[str, Source], mapped: TagMap) -> dict[str, Source]:
    """The user's keys with the first of their tags that the run has."""
    by_tag = {source.tag: source for source in tags.values()} | dict(tags)
    found = {
        key: next((by_tag[tag] for tag in cs if tag in by_tag), None) for key, cs in mapped.items()
    }
    return {key: source for key, source in found.items() if source is not None}


def _others(
    columns: Mapping[str, Source], quantity: Quantity, own: Mapping[str, Source]
) -> Mapping[str, Source]:
    """Columns of a quantity that the user names too, without those that were merely recognised."""
    named = {wanted(key)[1] for key in own if wanted(key)[0] is quantity}
    return {name: source for name, source in columns.items() if name in named}


def _styled(style: Style, names: Mapping[str, Source]) -> dict[Quantity, dict[str, Source]]:
    return _found(style.tags, names)


def _found(known: Patterns, names: Mapping[str, Source]) -> dict[Quantity, dict[str, Source]]:
    found = {quantity: _first(quantity, patterns, names) for quantity, patterns in known.items()}
    return {quantity: columns for quantity, columns in found.items() if columns}


def _first(
    quantity: Quantity, patterns: tuple[str, ...], names: Mapping[str, Source]
) -> dict[str, Source]:
    """Columns under the first pattern that matches."""
    for pattern in patterns:
        matches = [(match, names[name]) for name in names if (match := re.fullmatch(pattern, name))]
        if matches:
            return dict(_columns(quantity, sorted(matches, key=lambda item: _natural(item[0]))))
    return {}


def _columns(
    quantity: Quantity, matches: list[tuple[re.Match[str], Source]]
) -> Iterator[tuple[str, Source]]:
    """Groups are numbered as torch does, terms and layers keep their names, a run has one column."""
    if quantity.axis is Axis.GROUP:
        yield from ((f"group {index}", source) for index, (_, source) in enumerate(matches))
    elif quantity.axis in _NAMED:
        yield from ((match.group(1) if match.re.groups else "", at) for match, at in matches)
    else:
        yield "", matches[0][1]


def _natural(match: re.Match[str]) -> list[tuple[int, str]]:
    """Order in which pg2 comes before pg10, however many digits there are."""
    parts = [part.lstrip("0") or "0" for part in re.split(r"(\d+)", match.string)]
    return [(len(part), part) if part.isdecimal() else (0, part) for part in parts]


def _optimizer(tags: Mapping[str, Source]) -> str:
    """The class that Lightning's LearningRateMonitor writes into its tags."""
    found = (re.match(r"lr-([A-Z][A-Za-z]+)", source.tag) for source in tags.values())
    return next((match.group(1) for match in found if match), "")
