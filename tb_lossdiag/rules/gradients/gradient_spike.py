"""LD203 gradient-spike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.blocks import given_at
from tb_lossdiag.analysis.levels import Span, median
from tb_lossdiag.analysis.parameters import Family, embeddings, family, listed, table_norm
from tb_lossdiag.analysis.reinforcement import is_reinforcement, targets_are_renewed
from tb_lossdiag.analysis.spikes import Jumps, grouped, suspects
from tb_lossdiag.diagnosis import settings
from tb_lossdiag.diagnosis.counted import often
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity, Role
from tb_lossdiag.records import Doubles, Floats, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Gradients jumped out of their noise {often}. At step {step} that of `{layer}` reached {peak}, {times} times its level before ({level}); {layers} of {all} parameters jumped then.{clipped}"
)
_CLIPPED = Text(" Clipping took the size out of every one of them.")
_NOT_CLIPPED = Text("")
_PART = Text(" The norm of all gradients together was no more than {total} times its level.")
_ADVICE = Text("""{where}

- Look at the batch of step {step}.
- {guard}
- {family}""")
_LOCAL = Text(
    "Only {names} jumped: look at what these layers alone see (a rare token, an empty mask, a division by something small)."
)
_EMBEDDING = Text(
    "Only {names} jumped, where the input enters: rare tokens, or an embedding whose gradient is far larger than that of the other layers. Let a part of it through, `h = 0.1 * h + 0.9 * h.detach()` after the embedding, or clip the embedding's group alone."
)
_GLOBAL = Text(
    "Most layers jumped together, so the cause lies at the loss: one extreme sample or target."
)
_CLIP = Text(
    "Clip the global norm at a few times its usual size: `writer.clip_grad_norm_(model.parameters(), max_norm={bound})`."
)
_CLIPS = Text("The clip does its work; nothing else is needed unless the loss jumps as well.")
_ALONE = Text(
    "A bound on the norm of all gradients reaches none of this. Where the loss jumps as well, clip these parameters by themselves."
)
_FAMILIES = {
    Family.SGD: Text("With SGD the step is as much larger as the gradient was."),
    Family.ADAM: Text(
        "With an Adam-like optimizer the spike also stays in its averages: the steps after it are too small for about 1 / (1 - beta2) steps."
    ),
    Family.UNKNOWN: Text("Pass `optimizer=` to `add_diagnostics` for advice that fits it."),
}


_BEFORE = 32
"""Records whose median is the level before."""


class _Top(NamedTuple):
    """The highest jump: its step and parameter, its norm and the level before."""

    step: int
    layer: str
    peak: float
    level: float


@dataclass(frozen=True)
class GradientSpike:
    """The gradient of a layer jumps far out of its noise.

    Why it matters: one such step can undo many, and an adaptive optimizer remembers it for long.

    How it decides: per parameter, the norm (before clipping; the highest of a record's window) is at least `min_factor` times
    the level before (median of the last 32 records), more than `min_deviation` standard deviations of its logarithm above it,
    and at least `min_start` times the median of the run's first `first` records. Jumps of neighbouring records are one. From
    `min_spikes` jumps on that no clip took away, and that made the norm of all gradients `min_total` times its level before, it is a warning, else an
    information. Dimensionless.

    Where only embeddings jump, and normalisation layers beside them, it says so: their gradient can be let through in part.

    What to try first: look at the batch; clip the global norm.

    Guards against: absolute bounds; gradients that are small and wild because the loss is near zero (the start is the
    measure); layers whose gradient is so small a part that the step is no larger for it; gradients that are 0 now and then, as in embeddings; growth that stays (LD202); leaps of the loss with other data, as in blocks and tasks in turn, which are not counted as harm; agents, and values that a second network makes or that lie
    elsewhere in the end, whose targets jump with what is learned (an information).

    References: Huang et al. 2025, SPAM (arXiv 2501.06842); StabilityGuard 0.3.0 (10 times a layer's own level); Zeng et al. 2022, GLM-130B (arXiv
    2210.02414; by its training notes a tenth of the embedding's gradient was let through).
    """

    code: ClassVar[str] = "LD203"
    name: ClassVar[str] = "gradient-spike"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Gradients spike")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NORM,)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.CLIP_GLOBAL_NORM,
        q.CLIP_MAX_NORM,
        q.PARAMETER_ROLE,
        q.LOSS,
        q.LEARNING_RATE,
        q.PARAMETER_NORM,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
        q.COPY_DISTANCE,
    )
    explains: ClassVar[tuple[str, ...]] = ()
    setting: ClassVar[str] = settings.CLIP

    #: norm over the level before, 1; StabilityGuard's bound
    min_factor: float = 10.0
    #: standard deviations of the logarithm, 1; OLMo-core's bound for norms and losses
    min_deviation: float = 6.0
    #: norm over the level at the start of the run, 1; the untrained model bore that
    min_start: float = 3.0
    #: records at the start
    first: int = 20
    #: jumps; one may be an accident, three are a habit
    min_spikes: int = 3
    #: norm of all gradients over its level before, 1; from batch to batch it differs by less, and a bound on it can act on no less
    min_total: float = 2.0
    #: records before; half of the window
    min_before: int = 64

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for all jumps of all parameters."""
        norms = run.highest(q.GRADIENT_NORM).values
        if (np.isfinite(norms).sum(axis=0) <= self.min_before).all():
            least = self.min_before
            raise NotEnough(
                Text("more than {least} records of a parameter's gradient").format(least=least)
            )
        jumps = self._jumps(norms)
        groups = grouped(np.isin(np.arange(len(norms)), jumps.rows), 3)
        short = [s for s in groups if self._comes_back(norms, jumps, s)]
        if short:
            yield self._finding(run, jumps, short)

    def _jumps(self, norms: Floats) -> Jumps:
        """Where a parameter's gradient jumps."""
        early = median(np.where(norms[: self.first] > 0, norms[: self.first], np.nan), axis=0)
        found = []
        for rows, columns, before in suspects(norms, 128, self.min_before, self.min_factor):
            some = norms[rows][:, columns].astype(np.float64)
            jumps = np.isfinite(some) & (some >= self.min_factor * before.level)
            jumps &= before.deviation(some) > self.min_deviation
            jumps &= some >= self.min_start * early[columns]
            row, place = np.nonzero(jumps)
            level = before.level[0, place]
            found.append(Jumps(rows.start + row, columns[place], some[jumps], level))
        return Jumps.joined(found)

    def _comes_back(self, norms: Floats, jumps: Jumps, span: Span) -> bool:
        """Whether a gradient that jumped is low again afterwards: what stays is growth, not a spike."""
        after = norms[span.last + 1 : span.last + 17]
        if not len(after):
            return True
        first = jumps.within(Span(span.first, span.first))
        ratio = median(after[:, first.columns], axis=0) / first.level
        return bool(np.nanmin(ratio, initial=np.inf) < self.min_factor / 2)

    def _finding(self, run: Run, jumps: Jumps, spikes: list[Span]) -> Finding:
        table = run[q.GRADIENT_NORM]
        worst = max(spikes, key=lambda span: float(jumps.within(span).ratio.max()))
        inside = jumps.within(worst)
        highest = int(np.argmax(inside.ratio))
        row, column = int(inside.rows[highest]), int(inside.columns[highest])
        top = _Top(
            run.highest_step(q.GRADIENT_NORM, row, column),
            table.columns[column],
            float(inside.peak[highest]),
            float(inside.level[highest]),
        )
        norm = run.cached(table_norm, run.highest(q.GRADIENT_NORM))
        large = [s for s in spikes if _rise(norm, s) >= self.min_total]
        free = [s for s in spikes if not _clipped(run, table.steps[s.records])]
        harmful = [s for s in free if s in large and not _given(run, table.steps[s.records])]
        names = [table.columns[index] for index in np.unique(inside.columns)]
        part = _PART.format(total=self._of_all(norm, spikes)) if not large else _NOT_CLIPPED
        tail = part if free else _CLIPPED
        message = self._message(top, (len(spikes), len(names), len(table.columns)), tail)
        ends = [span.ends(table.steps) for span in (worst, *(s for s in spikes if s != worst))]
        pieces = [Evidence(q.GRADIENT_NORM.name, top.layer, *e) for e in ends[1:10]]
        first = Evidence(
            q.GRADIENT_NORM.name, top.layer, *ends[0], top.peak, self.min_factor * top.level
        )
        moved = is_reinforcement(run) or targets_are_renewed(run)
        habit = len(harmful) >= self.min_spikes
        severity = self.severity if habit and not moved else Severity.INFO
        total = float(np.median(np.where(np.isnan(norm), 0.0, norm)))
        bound = short_number(float(f"{3 * total:.1g}"))
        guard = _CLIP.format(bound=bound) if harmful else _ALONE if free else _CLIPS
        advice = _advice(run, names, top.step, guard)
        numbers = {"spikes": len(spikes), "peak": top.peak, "harmful": len(harmful)}
        return Finding(self.code, severity, top.layer, (first, *pieces), message, advice, numbers)

    def _of_all(self, norm: Doubles, spikes: list[Span]) -> str:
        """The norm of all gradients in the highest of these jumps, over its level before."""
        return short_number(float(f"{max(_rise(norm, span) for span in spikes):.2g}"))

    def _message(self, top: _Top, counts: tuple[int, int, int], clipped: Text) -> Text:
        words = {
            "step": str(top.step),
            "layer": top.layer,
            "peak": short_number(top.peak),
            "times": short_number(top.peak / top.level),
            "level": short_number(top.level),
            "layers": str(counts[1]),
            "all": str(counts[2]),
        }
        return _MESSAGE.format(clipped=clipped, often=often(counts[0]), **words)


def _clipped(run: Run, steps: Steps) -> bool:
    """Whether the clip took a factor of 2 or more out of the gradients of all these records."""
    if q.CLIP_GLOBAL_NORM not in run or q.CLIP_MAX_NORM not in run:
        return False
    norm, bound = run.highest(q.CLIP_GLOBAL_NORM).at(steps), run[q.CLIP_MAX_NORM].at(steps)
    known = np.isfinite(norm) & np.isfinite(bound)
    return bool(known.any(axis=1).all() and (norm >= 2 * bound)[known].all())


def _given(run: Run, steps: Steps) -> bool:
    """Whether the loss leaps with other data there: gradients do, too."""
    return given_at(run, int(steps[0]))


def _rise(norm: Doubles, span: Span) -> float:
    """The norm of all gradients over its level before."""
    before = norm[max(span.first - _BEFORE, 0) : span.first]
    return float(np.nanmax(norm[span.records]) / np.nanmedian(before))


def _advice(run: Run, names: list[str], step: int, guard: Text) -> Text:
    many = len(names) > len(run[q.GRADIENT_NORM].columns) / 2
    few = _EMBEDDING if _where_the_input_enters(run, names) else _LOCAL
    where = _GLOBAL if many else few.format(names=listed(names, 3))
    kind = _FAMILIES[family(run)]
    return _ADVICE.format(where=where, step=step, guard=guard, family=kind)


def _where_the_input_enters(run: Run, names: list[str]) -> bool:
    """Whether these are embeddings, and normalisation layers beside them at most."""
    found = embeddings(run, names)
    rest = [name for name, is_one in zip(names, found, strict=True) if not is_one]
    return bool(found.any()) and all(
        (run[q.PARAMETER_ROLE].column(name) == Role.NORM).any() for name in rest
    )
