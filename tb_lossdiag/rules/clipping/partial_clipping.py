"""LD307 partial-clipping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.clips import BY_VALUE
from tb_lossdiag.analysis.columns import too_few
from tb_lossdiag.analysis.levels import median
from tb_lossdiag.analysis.modules import model_of
from tb_lossdiag.analysis.parameters import compact, global_norm, listed
from tb_lossdiag.diagnosis.judged import with_judged
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{count} of {all} trained parameters are not in the clipped set: {names}. Their gradients make up {percent}% of the norm and exceed max_norm = {max_norm} by themselves in {over} of {records} records."
)
_ADVICE = Text("""Clip all that the optimizer updates, in one call:

```python
parameters = [p for group in optimizer.param_groups for p in group["params"]]
writer.clip_grad_norm_(parameters, max_norm={max_norm})
```

If {names} should stay unclipped, ignore this rule (`--ignore LD307`).""")


_JUDGED = Text("share of the records so far in which their norm was above max_norm")


@dataclass(frozen=True)
class PartialClipping:
    """The clip leaves out parameters that the optimizer updates.

    Why it matters: their steps are unbounded although the code clips.

    How it decides: a parameter is held by an optimizer, has a gradient in `min_records` records, and no clip has included it. It is a
    warning if the norm of the left-out gradients alone exceeds `max_norm` in more than `min_over` of the records; an information if
    they make up at least `min_norm` of the global norm. Units: share of records, 1.

    What to try first: pass all parameters of the optimizer to one clip.

    Guards against: several clip calls in a loop, which may share the parameters among them (not evaluated); left-out parameters whose
    gradients are too small to matter; clips by value; a watched model of which nothing is clipped, as of two players one may be.

    References: PyTorch, `torch.nn.utils.clip_grad_norm_`: the norm is over all given parameters together.
    """

    code: ClassVar[str] = "LD307"
    name: ClassVar[str] = "partial-clipping"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("The clip leaves parameters out")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_CLIPPED,
        q.PARAMETER_HELD,
        q.GRADIENT_NORM,
        q.CLIP_MAX_NORM,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = (q.CLIP_GLOBAL_NORM,)
    explains: ClassVar[tuple[str, ...]] = ()

    #: records with a gradient; by then every clip of a loop has been seen
    min_records: int = 10
    #: share of records, 1; now and then is chance
    min_over: float = 0.05
    #: left-out norm over global norm, 1; below, the clip would hardly be different
    min_norm: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding that names all parameters the clip leaves out."""
        gradient = run[q.GRADIENT_NORM]
        names = [name for name in run[q.CLIP_MAX_NORM].columns if not name.startswith(BY_VALUE)]
        if len(names) != 1:
            raise NotEnough(Text("exactly one clip call by norm"))
        has = (~np.isnan(gradient.values)).sum(axis=0) >= self.min_records
        if not has.any():
            raise too_few(self.min_records, Text("records of gradients"))
        clipped, held = _ever(run, q.PARAMETER_CLIPPED), _ever(run, q.PARAMETER_HELD)
        trained = [n for n, ok in zip(gradient.columns, has, strict=True) if ok and held.get(n)]
        models = {model_of(name) for name, ever in clipped.items() if ever}
        left = [n for n in trained if clipped.get(n) is False and model_of(n) in models]
        if left:
            yield from self._judge(run, left, trained, names[0])

    def _judge(
        self, run: Run, left: Sequence[str], trained: Sequence[str], clip: str
    ) -> Iterator[Finding]:
        out = _norm(run, left)
        bounds = run[q.CLIP_MAX_NORM].column(clip)
        finite = bounds[np.isfinite(bounds)].astype(np.float64)
        bound = float(np.median(finite)) if len(finite) else np.inf
        over, part = out > bound, float(median(out / _norm(run, trained)))
        often = bool(over.mean() > self.min_over)
        if not often and not part >= self.min_norm:
            return
        steps = run[q.GRADIENT_NORM].steps
        patterns = compact(left, trained)
        words = {
            "count": str(len(left)),
            "all": str(len(trained)),
            "names": listed(patterns),
            "percent": f"{100 * part:.0f}",
            "max_norm": short_number(bound),
            "over": str(int(over.sum())),
            "records": str(len(out)),
        }
        loudest = max(left, key=lambda name: float(np.nan_to_num(_norm(run, [name])).max()))
        ends = int(steps[0]), int(steps[-1])
        piece = Evidence(q.GRADIENT_NORM.name, loudest, *ends, float(over.mean()), self.min_over)
        shares = np.cumsum(over) / np.arange(1, len(over) + 1)
        yield Finding(
            self.code,
            self.severity if often else Severity.INFO,
            patterns[0] if len(patterns) == 1 else "",
            (with_judged(piece, _JUDGED, steps, shares),),
            _MESSAGE.format(**words),
            _ADVICE.format(max_norm=short_number(bound), names=listed(patterns, 2)),
            {"parameters": len(left), "share": part},
        )


def _ever(run: Run, quantity: Quantity) -> dict[str, bool]:
    """Whether a flag was ever set, by parameter; parameters of which it is not known are left out."""
    table = run[quantity]
    each = {name: table.column(name) for name in table.columns}
    return {n: bool((v > 0).any()) for n, v in each.items() if not np.isnan(v).all()}


def _norm(run: Run, names: Sequence[str]) -> Doubles:
    """float64[T]: the largest norm over these parameters' gradients in each record's window."""
    table = run.highest(q.GRADIENT_NORM)
    return global_norm(np.stack([table.column(name) for name in names], axis=1))
