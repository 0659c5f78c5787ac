"""LD201 vanishing-gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import Held, held
from tb_lossdiag.analysis.curve import curve_of, needs_progress
from tb_lossdiag.analysis.levels import Bools, Span, longest, median
from tb_lossdiag.analysis.parameters import embeddings, matrices, parts, sizes
from tb_lossdiag.analysis.progress import below_baseline
from tb_lossdiag.analysis.updates import usual_norms
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Floats, Steps
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "Relative to its weights, `{first}` near the input gets a gradient {times} times smaller than `{last}` near the output ({low} against {high}), in {records} records, while the loss hardly falls."
)
_JUDGED = Text("relative gradient of `{first}` over that of `{last}`")
_ADVICE = Text("""Let the gradient reach the input:

- replace `sigmoid` and `tanh` in the hidden layers by `ReLU`, `GELU` or `SiLU`;
- normalise between layers (`LayerNorm`, `BatchNorm`) or add residual connections (`x + block(x)`);
- initialise for the activation in use.

```python
for module in model.modules():
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)
```

A higher learning rate does not cure it: it moves `{last}` too far before `{first}` moves at all.""")


class _Ratios(NamedTuple):
    """Gradient norm over parameter norm, worked out where it is asked for: a long run has too many to hold.

    Attributes:
        gradient: float32[T, all parameters].
        columns: intp[C], the weight matrices among them.
        size: norms of these C at the T records.
    """

    gradient: Floats
    columns: Steps
    size: Held

    def at(self, records: Steps, some: slice = slice(None)) -> Doubles:
        """float64[len(records), C]: NaN where there is none."""
        gradient = self.gradient[np.ix_(records, self.columns[some])]
        ratio = gradient / self.size.values[self.size.rows[records], some]
        return np.where(np.isfinite(ratio) & (ratio > 0), ratio, np.nan)

    def between(self, one: int, other: int) -> Doubles:
        """float64[T]: the ratio of one column over that of another."""
        every = np.arange(len(self.gradient))
        over, under = (self.at(every, slice(each, each + 1))[:, 0] for each in (one, other))
        return over / under

    def medians(self, records: Steps) -> Doubles:
        """float64[C]: the typical one of each."""
        some = [slice(first, first + 64) for first in range(0, len(self.columns), 64)]
        return np.concatenate([median(self.at(records, part), axis=0) for part in some])


@dataclass(frozen=True)
class VanishingGradient:
    """The gradient fades on its way to the input.

    Why it matters: the first layers hardly move, so that the last ones learn from features that stay random.

    How it decides: ratio = gradient norm / parameter norm per weight matrix, in the order of the model's parameters (depth).
    The median ratio of the first third of the layers is at least `min_decay` times below that of the last third, as a median over
    `smooth` records, and the ratios rise with depth (rank correlation at least `min_correlation`), in `min_records` records in a row,
    while the loss has lost less than `learned` of its start, or costs no less than the best constant answer by the end. Dimensionless.

    What to try first: ReLU-like activations, normalisation or residual connections, matching initialisation.

    Guards against: scaled losses (only ratios between layers count); a run that has learned by its end; biases and normalisation
    scales; embeddings, whose gradient is spread over rows that a batch does not use; a head that begins at nothing (compared with a
    usual initialisation); dead layers, whose gradient is exactly 0; agents, whose loss is never learned (not evaluated).

    References: Glorot and Bengio 2010 (AISTATS), section 4; He et al. 2015 (arXiv 1502.01852).
    """

    code: ClassVar[str] = "LD201"
    name: ClassVar[str] = "vanishing-gradient"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The gradient vanishes towards the input")
    reads: ClassVar[tuple[Quantity, ...]] = (q.GRADIENT_NORM, q.PARAMETER_NORM, q.LOSS)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_SIZE,
        q.PARAMETER_ROLE,
        q.CALL_VALUE,
        q.CALL_BASELINE,
        q.LOSS_TERM,
        q.EXTRA,
        q.CALL_TARGET_MEAN,
        q.CALL_TARGET_STD,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD109", "LD210", "LD523", "LD602", "LD705")

    #: ratio of ratios, 1; a new head on a trained backbone reaches 100, recurrent nets 250 in their first steps, three sigmoid layers
    #: between small weights 600, five 1000 and more
    min_decay: float = 400
    #: records; a batch that happens to be predicted well has hardly a gradient at the end, and the decay of that record says nothing
    smooth: int = 9
    #: Spearman's rank correlation of ratio and depth, 1; one odd layer doesn't make a decay
    min_correlation: float = 0.7
    #: records in a row; the first steps after initialisation prove nothing
    min_records: int = 20
    #: weight matrices; depth needs a few
    min_layers: int = 4
    #: share of the starting loss, 1; the last layers alone often win a third
    learned: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding for the longest stretch in which the gradient fades."""
        gradient = run[q.GRADIENT_NORM]
        is_weight = matrices(run, gradient.columns) & ~embeddings(run, gradient.columns)
        if is_weight.sum() < self.min_layers or len(gradient) < self.min_records:
            raise NotEnough(self._needs())
        names = [name for name, ok in zip(gradient.columns, is_weight, strict=True) if ok]
        needs_progress(run)
        learned = curve_of(run, q.LOSS)
        learned.needs(3)
        # A loss that only came down from a bad start to what a constant costs is not learned.
        unlearned: Bools = (learned.fall_at(gradient.steps) < self.learned) | (
            below_baseline(run) is False
        )
        if not unlearned[-1]:
            return
        size = held(run[q.PARAMETER_NORM], gradient.steps, names)
        # A head that begins at nothing has a large gradient beside its weights, and says nothing of those before it.
        usual = usual_norms(size.values, sizes(run, names))
        size = Held(np.fmax(size.values, usual), size.rows)
        ratios = _Ratios(gradient.values, np.flatnonzero(is_weight), size)
        span = longest(self._fades(ratios, unlearned) & unlearned, self.min_records)
        if span is not None:
            each = ratios.medians(np.arange(span.first, span.last + 1))
            yield self._finding(each, names, span, (gradient.steps, ratios))

    def _needs(self) -> Text:
        layers, records = self.min_layers, self.min_records
        return Text(
            "at least {layers} weight matrices and {records} records of their gradients"
        ).format(layers=layers, records=records)

    def _fades(self, ratios: _Ratios, wanted: Bools) -> Bools:
        """bool[T]: whether the ratios around a record fall towards the input, right for the records that are wanted."""
        third = max(1, len(ratios.columns) // 3)
        decay, order = np.full((2, len(ratios.gradient)), np.nan)
        known = np.zeros(len(decay), bool)
        for some in parts(_around(wanted, 2 * self.smooth)):
            ratio = ratios.at(some)
            enough = (~np.isnan(ratio)).sum(axis=1) >= self.min_layers
            fall = median(ratio[:, -third:], axis=1) / median(ratio[:, :third], axis=1)
            decay[some], known[some] = fall, enough
        fades: Bools = (self._around(decay) >= self.min_decay) & known
        for record in np.flatnonzero(fades):
            order[record] = _correlation(ratios.at(np.array([record]))[0])
        return fades & (self._around(order) >= self.min_correlation)

    def _around(self, values: Doubles) -> Doubles:
        """float64[T]: median over the records on both sides."""
        side = self.smooth // 2
        padded = np.pad(values, (side, self.smooth - 1 - side), mode="edge")
        return median(np.lib.stride_tricks.sliding_window_view(padded, self.smooth))

    def _finding(
        self, ratio: Doubles, names: list[str], span: Span, all_of: tuple[Steps, _Ratios]
    ) -> Finding:
        (steps, ratios), ends = all_of, span.ends(all_of[0])
        known = np.flatnonzero(~np.isnan(ratio))
        third = max(1, len(known) // 3)
        low = int(known[:third][np.argmin(ratio[known[:third]])])
        high = int(known[-third:][np.argmax(ratio[known[-third:]])])
        times = float(ratio[high] / ratio[low])
        words = {"first": names[low], "last": names[high]}
        message = _MESSAGE.format(
            times=short_number(times),
            low=short_number(float(ratio[low])),
            high=short_number(float(ratio[high])),
            records=str(span.size),
            **words,
        )
        piece = Evidence(q.GRADIENT_NORM.name, names[low], *ends, 1 / times, 1 / self.min_decay)
        evidence = (
            with_judged(piece, _JUDGED.format(**words), steps, ratios.between(low, high)),
            Evidence(q.GRADIENT_NORM.name, names[high], *ends),
        )
        numbers = {"low": float(ratio[low]), "high": float(ratio[high])}
        advice = _ADVICE.format(**words)
        return Finding(self.code, self.severity, names[low], evidence, message, advice, numbers)


def _around(wanted: Bools, reach: int) -> Steps:
    """Records from `reach` before the first that is wanted (there is one) to `reach` after the last."""
    rows = np.flatnonzero(wanted)
    return np.arange(max(rows[0] - reach, 0), min(rows[-1] + reach + 1, len(wanted)))


def _correlation(ratio: Doubles) -> float:
    """Spearman's rank correlation with the place in the row, NaN left out."""
    known = ratio[~np.isnan(ratio)]
    ranks = np.argsort(np.argsort(known))
    return float(np.corrcoef(ranks, np.arange(len(known)))[0, 1])
