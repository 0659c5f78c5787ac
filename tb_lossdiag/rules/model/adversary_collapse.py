"""LD709 adversary-collapse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.levels import Bools, Span, level
from tb_lossdiag.analysis.loss_calls import BINARY, calls_if_any
from tb_lossdiag.analysis.players import (
    FIRST,
    Curve,
    around,
    known_norms,
    of_players,
    players,
    start,
    summed,
)
from tb_lossdiag.diagnosis.rule import Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.rules.model.adversary_words import Players, Said, outplayed, ran_away, starved
from tb_lossdiag.run import Run


@dataclass(frozen=True)
class AdversaryCollapse:
    """In a two-player run one side has won and the other no longer learns.

    Why it matters: the players teach each other. When the discriminator is always right, the generator's gradient vanishes or turns wild,
    and samples stop improving.

    How it decides: two watched models and a loss of each, a term or what `add_diagnostics` was given together with it (told by their names: D, discriminator, critic; G, generator). The level of one
    term, which is never negative, stays below `max_floor` of its start for the last `min_stretch` of the records or more, but for
    `max_escapes` of them, and over that stretch the other model's gradient norm is `min_change` times smaller, or larger, than before or at
    the start, or its loss has risen to `min_rise` times its start. Or all losses seen are binary cross-entropies, and the term stays below
    `max_sure` as long, whatever it began with, while the other's loss has risen as much, to `min_told` or more. Or the judge's loss may be
    negative, and its size and the maker's gradient norm have both grown `min_runaway` times, to `min_score` or more. Unit: 1.

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
    reads: ClassVar[tuple[Quantity, ...]] = (q.GLOBAL_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.LOSS_TERM, q.PLAYER_LOSS, q.CALL_VALUE)
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
    #: cross-entropy, nats; a twentieth of what guessing costs twice, for a judge that had learned before its first record
    max_sure: float = 0.07
    #: cross-entropy, nats; who is given a chance of one in twenty is told
    min_told: float = 3.0
    #: size of a critic's loss, and the gradient it gives, over their starts, 1; what is bounded or penalised stays within ten
    min_runaway: float = 30.0
    #: size of a critic's loss; with a slope of at most 1 it is a distance between pictures, and those lie within a hundred
    min_score: float = 100.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if one side's loss is at its floor and the other's gradient has died or exploded, or a critic runs away."""
        for said in self._said(run):
            yield Finding(
                self.code,
                self.severity,
                said.column,
                said.evidence,
                said.message,
                said.advice,
                said.numbers,
            )

    def _said(self, run: Run) -> Iterator[Said]:
        losses = of_players(run)
        models, terms = players(run, losses)
        curves = {role: summed(run, terms[role], losses) for role in terms}
        judged = [role for role in curves if self._can_be_judged(curves[role][1])]
        critic = curves["judge"][1]
        sides = {
            role: Players(
                models[role][0], models[other][0], terms[role][0], terms[other][0], losses
            )
            for role, other in (("judge", "maker"), ("maker", "judge"))
        }
        if len(critic) >= 2 * self.min_records and (critic < 0).any():
            yield from self._ran_away(run, curves["judge"], sides["judge"])
        elif not judged:
            least = 2 * self.min_records
            raise NotEnough(
                Text("at least {least} records of a loss term that is never negative").format(
                    least=least
                )
            )
        for role in judged:
            other = curves["maker" if role == "judge" else "judge"]
            yield from self._won(run, (curves[role], other), sides[role])

    def _can_be_judged(self, values: Doubles) -> bool:
        """Whether "near its floor" means something."""
        return len(values) >= 2 * self.min_records and not (values < 0).any()

    def _won(self, run: Run, curves: tuple[Curve, Curve], names: Players) -> Iterator[Said]:
        (steps, values), other = curves
        began = start(values)
        span = self._stretch(level(values, 5) <= self.max_floor * began)
        if began <= 0 or span is None:
            yield from self._sure(run, curves, names)
            return
        first = int(steps[span.first])
        before, after = around(run, names.loser, first)
        for norm in (before, start(known_norms(run, names.loser)[1])):
            if norm * self.min_change <= after or after * self.min_change <= norm:
                yield starved(names, curves[0], span, (norm, after), self.max_floor)
                return
        rise = self._rise(other, first)
        if rise is not None:
            yield outplayed(names, curves[0], span, rise, self.min_rise)

    def _sure(self, run: Run, curves: tuple[Curve, Curve], names: Players) -> Iterator[Said]:
        """A winner that was one before its first record, by cross-entropies, whose level means the same everywhere."""
        (steps, values), other = curves
        known = calls_if_any(run)
        if not known or any(call.function not in BINARY for call in known):
            return
        span = self._stretch(level(values, 5) <= self.max_sure)
        rise = None if span is None else self._rise(other, int(steps[span.first]))
        if span is not None and rise is not None and rise[1] >= self.min_told:
            yield outplayed(names, curves[0], span, rise, self.min_rise)

    def _stretch(self, low: Bools) -> Span | None:
        """The longest stretch up to the end in which all but a few records are low; None if it is too short."""
        least = max(self.min_records, int(self.min_stretch * len(low)))
        share = np.cumsum(low[::-1]) / np.arange(1, len(low) + 1)
        starts = np.flatnonzero((share >= 1 - self.max_escapes) & low[::-1])
        ongoing = 2 * int(low[-self.min_records :].sum()) > self.min_records
        if not ongoing or not len(starts) or starts[-1] + 1 < least:
            return None
        return Span(len(low) - 1 - int(starts[-1]), len(low) - 1)

    def _rise(self, loss: Curve, first: int) -> tuple[float, float] | None:
        """Start and level of a loss that is never negative and has risen since a step."""
        steps, values = loss
        late = values[steps >= first]
        began = float(values[:FIRST].min(initial=np.inf))
        if not len(late) or values.min() < 0 or float(np.median(late)) < self.min_rise * began:
            return None
        return began, float(np.median(late))

    def _ran_away(self, run: Run, critic: Curve, names: Players) -> Iterator[Said]:
        """A critic without a bound: its scores and the gradient it gives grow together."""
        values = critic[1]
        norms = known_norms(run, names.loser)[1]
        late = slice(-max(self.min_records, len(values) // 4), None)
        sizes = float(np.abs(values[:FIRST]).min()), float(np.median(np.abs(values[late])))
        grown = (
            float(norms[:FIRST].min(initial=np.inf)),
            float(np.median(norms[late])) if len(norms) else float("nan"),
        )
        bounds = max(self.min_runaway * sizes[0], self.min_score), self.min_runaway * grown[0]
        if sizes[1] >= bounds[0] and grown[1] >= bounds[1]:
            yield ran_away(names, critic, late, grown, bounds)
