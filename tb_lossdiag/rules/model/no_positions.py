"""LD724 no-positions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.modules import Layout, layout
from tb_lossdiag.analysis.probes import Answer, answers
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Kind, Quantity, Role
from tb_lossdiag.run import Run

_UNSEEN = Text(
    "{count} attention modules read the tokens of `{tokens}`, and nothing that was seen tells them where a token stands: no second embedding, no parameter and no module for positions."
)
_BLIND = Text(
    "The order of tokens tells this model nothing: in a copy in eval() the tokens of a row were turned around, and what {where} says of the place behind them changed by {change} of its spread; with other tokens there it changed by {moved}."
)
_HELD = Text("{blind} `{name}` should tell positions, and does not reach it.")
_WAVES = Text("{blind} Sines and cosines are computed, as for positions, and do not reach it.")
_FIRST = Text("the first layer of attention")
_ADVICE = Text("""Attention alone takes its tokens for a set: `dog bites man` and `man bites dog` are one to it. Add positions to the embeddings:

```python
positions = torch.nn.Embedding(512, 64)
embedded = torch.randn(8, 20, 64)
embedded = embedded + positions(torch.arange(embedded.shape[1]))
```

Positions that are computed inside `forward` (rotary, sinusoids, biases) are not seen from here; then this is none of your concern.""")
_ADVICE_BLIND = Text("""Attention alone takes its tokens for a set: `dog bites man` and `man bites dog` are one to it. Look at what positions are made of and where they go:

```python
embedded = torch.randn(8, 20, 64)  # (batch, place, feature)
places = torch.arange(embedded.shape[1])  # along the places, not the batch or the heads
embedded = embedded + torch.nn.Embedding(512, 64)(places)
```

A rotation wants queries and keys as (batch, head, place, size); places that are all 0, or are made and not added, tell nothing.""")


@dataclass(frozen=True)
class NoPositions:
    """A stack of attention gets no positions.

    Why it matters: without positions attention sees a set of tokens, and what depends on their order cannot be learned.

    How it decides: a copy of the model in eval() is given rows whose tokens were turned around, up to a place, and rows with other tokens there. What
    the first layer of attention says of that place changes by no more than `max_change` of what it changes by other tokens, and that is at least
    `min_moved` of its spread: a warning, if something is there to tell positions (by its name, or sines and cosines), else an information. Where that was not asked, a
    watched model with at least `min_attention` attention modules and exactly one embedding, and neither a recurrent or convolution module nor a
    module or parameter whose name or role could be positions: an information. Unit: 1.

    What to try first: an embedding of positions beside that of the tokens.

    Guards against: sets, in whose rows no token comes twice, or which come without tokens; baskets, and causal models without any positions, which
    can count by what they do not see (information only); positions as parameters, as a module, or by a recurrent or convolution layer; those computed inside
    `forward`, which only the copy tells.

    References: Vaswani et al. 2017 (arXiv 1706.03762), section 3.5; Haviv et al. 2022 (arXiv 2203.16634) on causal models without positions;
    mlfoundations/open_lm issue 4 (a rotation by the number of the head).
    """

    code: ClassVar[str] = "LD724"
    name: ClassVar[str] = "no-positions"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Attention without positions")
    reads: ClassVar[tuple[Quantity, ...]] = ()
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.MODULE_KIND,
        q.PARAMETER_ROLE,
        q.MODULE_FED_BY,
        q.MODULE_LAST,
        q.PROBE_ORDER_CHANGE,
        q.PROBE_ORDER_MOVED,
        q.PROBE_SKIPPED,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD118", "LD523")

    #: modules; one may pool a set
    min_attention: int = 2
    #: of the change by other tokens, 1; where no position is told it is float32's rounding, 1e-6; positions that begin at 0 give 1e-3 after the first
    #: hundred steps of a warm-up, learned ones 0.05 and more
    max_change: float = 1e-5
    #: of the spread, 1; attention that sees nothing of the tokens tells nothing
    min_moved: float = 0.02

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding per such model."""
        asked = {name: answer for name, answer in _answers(run) if answer.moved >= self.min_moved}
        models = [
            each for each in _models(run) if len(_of(each, Kind.ATTENTION)) >= self.min_attention
        ]
        if not models and not asked:
            raise NotEnough(
                Text("a model of {least} attention modules or more").format(
                    least=self.min_attention
                )
            )
        for answer in asked.values():
            if answer.value <= self.max_change * answer.moved:
                yield self._blind(run, answer)
        if not asked:
            yield from self._unseen(run, models)

    def _blind(self, run: Run, answer: Answer) -> Finding:
        held = _held(run)
        waves = f"waves {answer.name}".rstrip() in run.facts
        where = run.facts.get(f"order asked of {answer.name}".rstrip(), "")
        message = _BLIND.format(
            where=f"`{where}`" if where else _FIRST,
            change=short_number(answer.value),
            moved=short_number(answer.moved),
        )
        if held:
            message = _HELD.format(blind=message, name=held[0])
        elif waves:
            message = _WAVES.format(blind=message)
        evidence = answer.beyond(q.PROBE_ORDER_CHANGE, self.max_change * answer.moved)
        numbers = {"change": answer.value, "moved": answer.moved}
        severity = self.severity if held or waves else Severity.INFO
        return Finding(
            self.code, severity, answer.name, (evidence,), message, _ADVICE_BLIND, numbers
        )

    def _unseen(self, run: Run, models: Sequence[Layout]) -> Iterator[Finding]:
        """Models that were not asked, by what they are made of."""
        for modules in models:
            attention, tokens = _of(modules, Kind.ATTENTION), _of(modules, Kind.EMBEDDING)
            if len(tokens) != 1 or _placed(run, modules):
                continue
            step = int(run[q.MODULE_KIND].steps[-1])
            evidence = Evidence(q.MODULE_KIND.name, attention[0], step, step)
            message = _UNSEEN.format(count=str(len(attention)), tokens=tokens[0])
            numbers = {"attention": len(attention)}
            yield Finding(self.code, Severity.INFO, "", (evidence,), message, _ADVICE, numbers)


def _models(run: Run) -> list[Layout]:
    return layout(run).models() if q.MODULE_KIND in run else []


def _answers(run: Run) -> list[tuple[str, Answer]]:
    """What probes of order have said, by model."""
    try:
        return [
            (each.name, each) for each in answers(run, q.PROBE_ORDER_CHANGE, q.PROBE_ORDER_MOVED)
        ]
    except NotEnough:
        return []


def _held(run: Run) -> list[str]:
    """Modules and parameters whose name says positions."""
    known = run[q.PARAMETER_ROLE].columns if q.PARAMETER_ROLE in run else ()
    names = (*(name for each in _models(run) for name in each.kinds), *known)
    return [name for name in names if _NAMES.search(name)]


_NAMES = re.compile(
    r"pos|rotary|rope|alibi|sinus|place|wpe|time|order|(^|[./])pe([./]|$)", re.IGNORECASE
)


def _of(modules: Layout, kind: Kind) -> list[str]:
    return [name for name, each in modules.kinds.items() if each is kind]


def _placed(run: Run, modules: Layout) -> bool:
    """Whether something may tell positions."""
    if _of(modules, Kind.RECURRENT) or _of(modules, Kind.CONVOLUTION):
        return True
    if q.PARAMETER_ROLE not in run:
        return any(_NAMES.search(name) for name in modules.kinds)
    roles = run[q.PARAMETER_ROLE]
    loose = [
        name
        for name in roles.columns
        if roles.column(name)[-1] == Role.OTHER
        and not name.endswith(("in_proj_weight", "in_proj_bias"))
    ]
    return bool(loose) or any(_NAMES.search(name) for name in (*modules.kinds, *roles.columns))
