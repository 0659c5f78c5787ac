"""Scalars of a run that nobody knows: which, and what each may be, since rules that lack it cannot judge."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from tb_lossdiag import quantities as q
from tb_lossdiag.reader import agents
from tb_lossdiag.reader.phases import Source
from tb_lossdiag.reader.plan import Plan
from tb_lossdiag.reader.styles import ANY, NO_DESCENT, STYLES, Patterns, normalised

_NAMED = 6
"""Tags that are named."""
_LONGEST = 100
"""Characters of a tag that is named."""
_PER_LAYER = 3
"""More tags than these that look like a gradient norm are one per layer: none of them is the whole."""
_BOOKKEEPING = re.compile(
    r"(?:.*[/_.])?(?:epochs?|steps?|iter(?:ation)?s?|time|dt|runtime|secs?|seconds|samples|tokens|tps|mfu|t?flos|t?flops|mem(?:ory)?|gpu|cpu|eta|speed|throughput"
    r"|momentum|weight_decay|betas?\d?|hp_metric|version|vs_\w+|per_(?:second|sec|s|step|gpu)|seed)(?:[/_.].*)?"
)
"""What loops log beside: of no use to any rule."""
_EXTREME = re.compile(r"(?:.*[/_.])?(?:min|max|std)(?:imum)?(?:[/_.].*)?")
"""The smallest, the largest and the spread of what is logged as a mean, too."""
_LOSS = r"(?:loss(?:es)?|objective|nll|n?elbo|criterion|cost|(?:cross_?)?ent?ropy_loss|xent|bpd)"
_HELD_OUT = re.compile(
    r"(?:.*[/_.])?(?:val|valid|validation|eval|evaluation|dev|test|held_?out|holdout)(?:[/_.].*)?"
)
_AS_LOSS = re.compile(rf"(?:.*[/_.])?{_LOSS}(?:[/_.](?:mean|avg|total|step|epoch))?")
_AS_RATE = re.compile(r"(?:.*[/_.])?(?:lr|lrs|learning_?rates?|step_?size)(?:[/_.]?\d+|[/_.]\w+)?")
_AS_NORM = re.compile(
    r"(?:.*[/_.])?g(?:rad(?:ient)?s?)?_?(?:l2_?)?(?:norm|magnitude|l2|len(?:gth)?)(?:[/_.](?:total|global|all|mean|l2|2))?"
)
_OF_AGENTS: Mapping[q.Quantity, re.Pattern[str]] = {
    q.POLICY_ENTROPY: re.compile(r"(?:.*[/_.])?entropy(?:[/_.]\w+)?"),
    q.REFERENCE_KL: re.compile(r"(?:.*[/_.])?(?:ref\w*_)?kl(?:_(?:div\w*|ref\w*|penalty))?"),
    q.ANSWER_LENGTH: re.compile(
        r"(?:.*[/_.])?(?:response|completion|answer|generation|output)s?[/_.](?:mean_)?(?:len(?:gth)?|tokens)\w*"
    ),
    q.TRUNCATED_SHARE: re.compile(r"(?:.*[/_.])?trunc\w*"),
    q.EXPLAINED_VARIANCE: re.compile(r"(?:.*[/_.])?expl\w*_?var\w*"),
}


def facts(tags: Mapping[str, Source], plan: Plan) -> dict[str, str]:
    """What is said of a run's scalars that are not read: `unread`, some of their tags, and `perhaps`, what each may be.

    Nothing, where no rule lacks what a scalar may give.
    """
    lacking = _lacking(plan)
    names = _unknown(tags, plan)
    if not lacking or not names:
        return {}
    perhaps = {quantity: tag for quantity in lacking if (tag := resembling(quantity, names))}
    if not perhaps and lacking == [q.GLOBAL_NORM]:  # what is left is metrics of somebody's own
        return {}
    first = [*perhaps.values(), *(tag for tag in names if tag not in perhaps.values())]
    found = {
        "unread": _some(first),
        "perhaps": ", ".join(f"{quantity.name}={tag}" for quantity, tag in perhaps.items()),
    }
    return {name: words for name, words in found.items() if words}


def ordered(tags: Iterable[str]) -> list[str]:
    """The tags, those first of which one may be the loss."""
    return sorted(tags, key=lambda tag: (not _may_be(q.LOSS, tag), _is_bookkeeping(tag), tag))


def resembling(quantity: q.Quantity, tags: Iterable[str]) -> str:
    """The tag, the shortest of several, that may be a quantity by what it is called; "" for none."""
    found = [tag for tag in tags if _may_be(quantity, tag)]
    if quantity is q.GLOBAL_NORM and len(found) > _PER_LAYER:
        return ""
    return min(found, key=lambda tag: (len(tag), tag), default="")


def _lacking(plan: Plan) -> list[q.Quantity]:
    """What a plain scalar may give, and no scalar of the run does."""
    known = {*plan.sources, *plan.summed.values()}
    losses = [] if plan.no_descent else [q.LOSS, q.VALIDATION_LOSS]
    of_agents = [*_OF_AGENTS] if q.REWARD in known else []
    return [
        each for each in (*losses, q.LEARNING_RATE, q.GLOBAL_NORM, *of_agents) if each not in known
    ]


def _unknown(tags: Mapping[str, Source], plan: Plan) -> list[str]:
    """Tags that no pattern knows, less what no rule has a use for; a tag with and without its phase is one."""
    taken = plan.series()
    sources: dict[Source, str] = {}
    for tag in sorted(tags):
        if tags[tag] not in taken and len(tag) <= _LONGEST and not _is_bookkeeping(tag):
            sources.setdefault(tags[tag], tag)
    known = _known()
    return [tag for tag in sources.values() if not known.fullmatch(normalised(tag))]


def _is_bookkeeping(tag: str) -> bool:
    name = normalised(tag)
    return any(pattern.fullmatch(name) for pattern in (_BOOKKEEPING, _EXTREME))


def _may_be(quantity: q.Quantity, tag: str) -> bool:
    name = normalised(tag)
    if quantity in {q.LOSS, q.VALIDATION_LOSS}:
        held_out = _HELD_OUT.fullmatch(name) is not None
        wanted = quantity is q.VALIDATION_LOSS
        return _AS_LOSS.fullmatch(name) is not None and held_out is wanted
    pattern = {q.LEARNING_RATE: _AS_RATE, q.GLOBAL_NORM: _AS_NORM, **_OF_AGENTS}[quantity]
    return pattern.fullmatch(name) is not None


def _some(tags: list[str]) -> str:
    more = f", … ({len(tags)})" if len(tags) > _NAMED else ""
    return ", ".join(tags[:_NAMED]) + more


def _patterns() -> Iterable[str]:
    tables: tuple[Patterns, ...] = (
        *(style.tags for style in (*STYLES, ANY)),
        agents.SIGN,
        agents.AGENT,
        agents.PREFERENCE,
    )
    return (pattern for table in tables for patterns in table.values() for pattern in patterns)


@cache
def _known() -> re.Pattern[str]:
    """What some style knows: read, or left for a better one of the same meaning."""
    return re.compile("|".join(f"(?:{p})" for p in (*_patterns(), NO_DESCENT.pattern)))
