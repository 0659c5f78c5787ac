"""LD709's words: who has won, by what it shows, and what to do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Span, level
from tb_lossdiag.analysis.players import Curve, start
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Text, short_number
from tb_lossdiag.quantities import Quantity

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


class Players(NamedTuple):
    """The names of one side that won and one that lost.

    Attributes:
        winner: its model.
        loser: the other model.
        term: the first loss term of the winner.
        other: that of the loser.
        losses: what holds both.
    """

    winner: str
    loser: str
    term: str
    other: str
    losses: Quantity

    def words(self) -> dict[str, str]:
        """As messages say them."""
        return {"winner": f"`{self.winner}`", "loser": f"`{self.loser}`", "term": self.term}


class Said(NamedTuple):
    """What is said of the player in `column`."""

    column: str
    evidence: tuple[Evidence, ...]
    message: Text
    advice: Text
    numbers: dict[str, float]


def starved(
    names: Players, curve: Curve, span: Span, norms: tuple[float, float], floor: float
) -> Said:
    """The loser's gradient has died or exploded while the winner's loss was at most a share `floor` of its start."""
    steps, values = curve
    end, began, ends = float(np.median(values[span.records])), start(values), span.ends(steps)
    words = {
        **names.words(),
        "end": short_number(end),
        "share": short_number(100 * end / began),
        "first": str(ends[0]),
        "before": short_number(norms[0]),
        "after": short_number(norms[1]),
    }
    message = _MESSAGE.format(did=_DIED if norms[1] < norms[0] else _EXPLODED, **words)
    piece = Evidence(names.losses.name, names.term, *ends, end, floor * began)
    name = _JUDGED.format(term=names.term)
    evidence = (
        with_judged(piece, name, steps, level(values, 5), unit=names.losses.unit),
        Evidence(q.GLOBAL_NORM.name, names.loser, *ends, norms[1], norms[0]),
    )
    numbers = {"end": end, "before": norms[0], "after": norms[1]}
    return Said(names.loser, evidence, message, _advice(names), numbers)


def outplayed(
    names: Players, curve: Curve, span: Span, rise: tuple[float, float], least: float
) -> Said:
    """The loser's loss has risen to `least` times its start or more while the winner's was at its floor."""
    steps, values = curve
    end, ends = float(np.median(values[span.records])), span.ends(steps)
    message = _OUTPLAYED.format(
        **names.words(),
        end=short_number(end),
        first=str(ends[0]),
        other=names.other,
        before=short_number(rise[0]),
        after=short_number(rise[1]),
    )
    evidence = (
        Evidence(names.losses.name, names.term, *ends, end),
        Evidence(names.losses.name, names.other, *ends, rise[1], least * rise[0]),
    )
    numbers = {"end": end, "before": rise[0], "after": rise[1]}
    return Said(names.loser, evidence, message, _advice(names), numbers)


def ran_away(
    names: Players,
    curve: Curve,
    late: slice,
    grown: tuple[float, float],
    bounds: tuple[float, float],
) -> Said:
    """A critic without a bound: its scores and the gradient it gives grow together, to these bounds or more."""
    steps, values = curve
    ends, size = (int(steps[late][0]), int(steps[-1])), float(np.median(np.abs(values[late])))
    message = _RAN_AWAY.format(
        term=names.term,
        end=short_number(float(np.median(values[late]))),
        start=short_number(start(values)),
        maker=f"`{names.loser}`",
        before=short_number(grown[0]),
        after=short_number(grown[1]),
    )
    evidence = (
        Evidence(names.losses.name, names.term, *ends, size, bounds[0]),
        Evidence(q.GLOBAL_NORM.name, names.loser, *ends, grown[1], bounds[1]),
    )
    numbers = {"end": size, "before": grown[0], "after": grown[1]}
    return Said(names.winner, evidence, message, _BOUND_ADVICE, numbers)


def _advice(names: Players) -> Text:
    return _ADVICE.format(winner=f"`{names.winner}`", loser=f"`{names.loser}`")
