"""LD709 adversary-collapse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools, Span, level
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_JUDGES = ("d", "disc", "discriminator", "critic", "netd", "dis")
_MAKERS = ("g", "gen", "generator", "netg")

_FIRST = 5
"""Records whose median is the start: a quick win shows within tens."""

_MESSAGE = Text(
    "The loss `{term}` of {winner} has been at {end}, {share}% of its start, since step {first}, while the gradient of {loser} {did} from {before} to {after}."
)
_JUDGED = Text("level of `{term}`")
_DIED = Text("fell")
_EXPLODED = Text("grew")
_OUTPLAYED = Text(
    "The loss `{term}` of {winner} has been at {end} or near it since step {first}, while `{other}`, that of {loser}, rose from {before} to {after}."
)
_RAN_AWAY = Text(
    "The loss `{term}` of a critic went from {start} to {end} while the gradient norm of {maker} grew from {before} to {after}: nothing bounds its scores."
)
_BOUND_ADVICE = Text("""A critic's loss is a distance only while the critic is smooth; without a bound it grows for ever. Either

```python
with torch.no_grad():
    for weight in critic.parameters():
        weight.clamp_(-0.01, 0.01)  # after each of its steps
```

or, better, a penalty on the norm of its gradient at points between real and made ones, times 10 in its loss:

```python
mixed = torch.lerp(fake, real, torch.rand(len(real), 1)).requires_grad_()
(slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
penalty = (slope.norm(dim=1) - 1).pow(2).mean()
```""")
_ADVICE = Text("""{winner} has won: what {loser} learns from it says nothing any more. Hold the winner back:

- a lower learning rate for {winner}, or fewer steps of it per step of {loser};
- labels of 0.9 instead of 1, noise on the inputs it judges, dropout;
- a judge that stays smooth:

```python
layer = torch.nn.utils.spectral_norm(layer)  # every layer of the discriminator
```

- the non-saturating loss for the generator, which keeps a gradient when it loses:

```python
loss = torch.nn.functional.binary_cross_entropy_with_logits(judged_fake, torch.ones_like(judged_fake))
```""")


@dataclass(frozen=True)
class AdversaryCollapse:
    """In a two-player run one side has won and the other no longer learns.

    Why it matters: the players teach each other. When the discriminator is always right, the generator's gradient vanishes or turns wild,
    and samples stop improving.

    How it decides: two watched models and a loss term of each (told by their names: D, discriminator, critic; G, generator). The level of one
    term, which is never negative, stays below `max_floor` of its start for the last `min_stretch` of the records or more, but for
    `max_escapes` of them, and over that stretch the other model's gradient norm is `min_change` times smaller, or larger, than before or at
    the start, or its loss has risen to `min_rise` times its start. Or the judge's loss may be negative, and its size and the
    maker's gradient norm have both grown `min_runaway` times, to `min_score` or more. Unit: 1.

    What to try first: hold the winner back: learning rate, label smoothing, spectral normalisation.

    Guards against: losses that may be negative (a WGAN's floor means nothing); the winner's own gradient, which shrinks with its loss; a
    side that is ahead for a while; watched models that are no adversaries.

    References: Goodfellow et al. 2014 (arXiv 1406.2661, section 3, on the saturating loss); Arjovsky and Bottou 2017 (arXiv 1701.04862);
    Miyato et al. 2018 (arXiv 1802.05957).
    """

    code: ClassVar[str] = "LD709"
    name: ClassVar[str] = "adversary-collapse"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("One player has won")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GLOBAL_NORM, q.LOSS_TERM)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = (
        "LD102", "LD103", "LD104", "LD201", "LD202", "LD401", "LD402", "LD406", "LD523", "LD602",
    )  # fmt: skip

    #: level over start, 1; a balanced discriminator stays above a tenth of 2 ln 2
    max_floor: float = 0.05
    #: gradient norm before over during the stretch, or the other way round, 1; a factor of a few is a matter of the game
    min_change: float = 10.0
    #: share of the records up to the end, 1; being ahead for a while is part of the game
    min_stretch: float = 0.2
    #: records in that stretch
    min_records: int = 20
    #: share of that stretch, 1; a strong judge is fooled now and then
    max_escapes: float = 0.1
    #: loss of the loser over its start, 1; a balanced one stays within a factor of 1.5
    min_rise: float = 2.0
    #: size of a critic's loss, and the gradient it gives, over their starts, 1; what is bounded or penalised stays within ten
    min_runaway: float = 30.0
    #: size of a critic's loss; with a slope of at most 1 it is a distance between pictures, and those lie within a hundred
    min_score: float = 100.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if one side's loss is at its floor and the other's gradient has died or exploded."""
        models, terms = _sides(run[q.GLOBAL_NORM].columns), _sides(run[q.LOSS_TERM].columns)
        if any(len(models[role]) != 1 or not terms[role] for role in _ROLES):
            raise NotEnough(
                Text(
                    "two watched models and a loss term of each, named after discriminator and generator"
                )
            )
        judged = [role for role in _ROLES if self._can_be_judged(_sum(run, terms[role])[1])]
        critic = _sum(run, terms["judge"])
        if len(critic[1]) >= 2 * self.min_records and (critic[1] < 0).any():
            yield from self._ran_away(run, critic, (terms["judge"][0], models))
        elif not judged:
            least = 2 * self.min_records
            raise NotEnough(
                Text("at least {least} records of a loss term that is never negative").format(
                    least=least
                )
            )
        for winner in judged:
            loser = "maker" if winner == "judge" else "judge"
            players = models[winner][0], models[loser][0]
            yield from self._won(run, (terms[winner], terms[loser]), players)

    def _can_be_judged(self, values: Doubles) -> bool:
        """Whether "near its floor" means something."""
        return len(values) >= 2 * self.min_records and not (values < 0).any()

    def _won(
        self, run: Run, terms: tuple[list[str], list[str]], players: tuple[str, str]
    ) -> Iterator[Finding]:
        steps, values = _sum(run, terms[0])
        start = float(np.median(values[:_FIRST]))
        span = self._stretch(level(values, 5) <= self.max_floor * start)
        if start <= 0 or span is None:
            return
        first = int(steps[span.first])
        before, after = _around(run, players[1], first)
        began = _first(_known(run, players[1])[1])
        names = {"winner": f"`{players[0]}`", "loser": f"`{players[1]}`", "term": terms[0][0]}
        for norm in (before, began):
            if norm * self.min_change <= after or after * self.min_change <= norm:
                yield self._finding(names, (steps, values, span), start, (norm, after))
                return
        rise = self._rise(_sum(run, terms[1]), first)
        if rise is not None:
            yield self._outplayed(names, (steps, values, span), terms[1][0], rise)

    def _stretch(self, low: Bools) -> Span | None:
        """The longest stretch up to the end in which all but a few records are low; None if it is too short."""
        least = max(self.min_records, int(self.min_stretch * len(low)))
        share = np.cumsum(low[::-1]) / np.arange(1, len(low) + 1)
        starts = np.flatnonzero((share >= 1 - self.max_escapes) & low[::-1])
        ongoing = 2 * int(low[-self.min_records :].sum()) > self.min_records
        if not ongoing or not len(starts) or starts[-1] + 1 < least:
            return None
        return Span(len(low) - 1 - int(starts[-1]), len(low) - 1)

    def _rise(self, loss: tuple[Steps, Doubles], first: int) -> tuple[float, float] | None:
        """Start and level of a loss that is never negative and has risen since a step."""
        steps, values = loss
        late = values[steps >= first]
        start = float(values[:_FIRST].min(initial=np.inf))
        if not len(late) or values.min() < 0 or float(np.median(late)) < self.min_rise * start:
            return None
        return start, float(np.median(late))

    def _outplayed(
        self,
        names: dict[str, str],
        curve: tuple[Steps, Doubles, Span],
        term: str,
        rise: tuple[float, float],
    ) -> Finding:
        steps, values, span = curve
        end, ends = float(np.median(values[span.records])), span.ends(steps)
        message = _OUTPLAYED.format(
            **names,
            end=short_number(end),
            first=str(ends[0]),
            other=term,
            before=short_number(rise[0]),
            after=short_number(rise[1]),
        )
        evidence = (
            Evidence(q.LOSS_TERM.name, names["term"], *ends, end),
            Evidence(q.LOSS_TERM.name, term, *ends, rise[1], self.min_rise * rise[0]),
        )
        advice = _ADVICE.format(winner=names["winner"], loser=names["loser"])
        numbers = {"end": end, "before": rise[0], "after": rise[1]}
        loser = names["loser"].strip("`")
        return Finding(self.code, self.severity, loser, evidence, message, advice, numbers)

    def _ran_away(
        self,
        run: Run,
        critic: tuple[Steps, Doubles],
        names: tuple[str, dict[str, list[str]]],
    ) -> Iterator[Finding]:
        """A critic without a bound: its scores and the gradient it gives grow together."""
        (steps, values), (term, models) = critic, names
        maker = models["maker"][0]
        norms = _known(run, maker)[1]
        late = slice(-max(self.min_records, len(values) // 4), None)
        sizes = float(np.abs(values[:_FIRST]).min()), float(np.median(np.abs(values[late])))
        grown = (
            float(norms[:_FIRST].min(initial=np.inf)),
            float(np.median(norms[late])) if len(norms) else float("nan"),
        )
        least = max(self.min_runaway * sizes[0], self.min_score)
        if sizes[1] < least or not grown[1] >= self.min_runaway * grown[0]:
            return
        ends = int(steps[late][0]), int(steps[-1])
        message = _RAN_AWAY.format(
            term=term,
            end=short_number(float(np.median(values[late]))),
            start=short_number(_first(values)),
            maker=f"`{maker}`",
            before=short_number(grown[0]),
            after=short_number(grown[1]),
        )
        evidence = (
            Evidence(q.LOSS_TERM.name, term, *ends, sizes[1], least),
            Evidence(q.GLOBAL_NORM.name, maker, *ends, grown[1], self.min_runaway * grown[0]),
        )
        numbers = {"end": sizes[1], "before": grown[0], "after": grown[1]}
        yield Finding(
            self.code, self.severity, models["judge"][0], evidence, message, _BOUND_ADVICE, numbers
        )

    def _finding(
        self,
        names: dict[str, str],
        curve: tuple[Steps, Doubles, Span],
        start: float,
        norms: tuple[float, float],
    ) -> Finding:
        steps, values, span = curve
        end = float(np.median(values[span.records]))
        ends = span.ends(steps)
        did = _DIED if norms[1] < norms[0] else _EXPLODED
        words = {
            **names,
            "end": short_number(end),
            "share": short_number(100 * end / start),
            "first": str(ends[0]),
            "before": short_number(norms[0]),
            "after": short_number(norms[1]),
        }
        message = _MESSAGE.format(did=did, **words)
        loser = names["loser"].strip("`")
        piece = Evidence(q.LOSS_TERM.name, names["term"], *ends, end, self.max_floor * start)
        name = _JUDGED.format(term=names["term"])
        evidence = (
            with_judged(piece, name, steps, level(values, 5), unit=q.LOSS_TERM.unit),
            Evidence(q.GLOBAL_NORM.name, loser, *ends, norms[1], norms[0]),
        )
        advice = _ADVICE.format(winner=names["winner"], loser=names["loser"])
        numbers = {"end": end, "before": norms[0], "after": norms[1]}
        return Finding(self.code, self.severity, loser, evidence, message, advice, numbers)


_ROLES = {"judge": _JUDGES, "maker": _MAKERS}


def _sides(columns: tuple[str, ...]) -> dict[str, list[str]]:
    """The columns of each role, by the words of their names."""
    found: dict[str, list[str]] = {role: [] for role in _ROLES}
    for column in sorted(columns):
        words = set(re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", column).lower()))
        for role, names in _ROLES.items():
            if words & set(names):
                found[role].append(column)
    return found


def _sum(run: Run, terms: list[str]) -> tuple[Steps, Doubles]:
    """Sum of some terms at the steps at which all of them are finite (a discriminator may have one for real and one for fake)."""
    table = run[q.LOSS_TERM]
    values = np.stack([table.column(term) for term in terms]).astype(np.float64).sum(axis=0)
    finite = np.isfinite(values)
    return table.steps[finite], values[finite]


def _known(run: Run, model: str) -> tuple[Steps, Doubles]:
    """Steps and finite gradient norms of a model."""
    norms = run[q.GLOBAL_NORM].column(model).astype(np.float64)
    finite = np.isfinite(norms)
    return run[q.GLOBAL_NORM].steps[finite], norms[finite]


def _around(run: Run, model: str, step: int) -> tuple[float, float]:
    """Median gradient norm of a model before a step and from it on; NaN where there is none."""
    steps, norms = _known(run, model)
    parts = norms[steps < step], norms[steps >= step]
    before, after = (float(np.median(part)) if len(part) else float("nan") for part in parts)
    return before, after


def _first(values: Doubles) -> float:
    """Median of the first records; NaN without one."""
    return float(np.median(values[:_FIRST])) if len(values) else float("nan")
