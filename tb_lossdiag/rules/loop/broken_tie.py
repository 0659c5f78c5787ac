"""LD620 broken-tie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns, too_few
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Doubles, Steps
from tb_lossdiag.run import Run

_DECLARED = Text(
    "The model's config ties {pair}, but they are two tensors that are trained apart: their cosine is {cosine} in the end."
)
_PARTED = Text(
    "{pair} were one tensor when the model was first looked at, and are two since step {step}: their cosine is {cosine} in the end."
)
_PAIR = Text("`{first}` and `{second}`")
_UNNAMED = Text("`{column}` and another matrix")
_ADVICE = Text("""Tie them again, before the optimizer is made:

```python
model.tie_weights()
```

What breaks a tie: `to_empty()` of a model built on the meta device, a head or an embedding put in another's place, `weight.data = other.weight.data` before
a move to another device or dtype. A model of Transformers is saved without the second of two tied matrices, so that what was trained apart
is lost when it is loaded. Where two matrices are meant, say so: `config.tie_word_embeddings = False`.""")
_PARTED_ADVICE = Text("""Where that was not meant, let one module use the other's parameter itself, and make the optimizer afterwards:

```python
model.head.weight = model.embedding.weight  # before torch.optim…(model.parameters())
```

What breaks a tie: a head or an embedding put in another's place, a parameter made anew from the other's values, `weight.data = other.weight.data` before a
move to another device or dtype.""")


@dataclass(frozen=True)
class BrokenTie:
    """Two weight matrices that should be one are trained apart.

    Why it matters: a tied head learns from each token that is read. Apart, the model has more to learn, and what is saved as one
    matrix is not what was trained.

    How it decides: check-ups look at matrices that the model held under two names when it was first looked at, and at the input and output
    embeddings of a model of Transformers whose config sets `tie_word_embeddings`. They are not one tensor, both are trained, and their cosine
    is below `min_cosine` in the newest `min_checks` check-ups. An information where they were one at first: some recipes part them late. Dimensionless.

    What to try first: `tie_weights()` after whatever replaces or moves weights.

    Guards against: matrices that were never meant to be one; one of the two frozen, as where an adapter trains a copy of the head;
    copies that are still equal.

    References: Press and Wolf 2017 (arXiv 1608.05859), section 3; NVIDIA-NeMo/Automodel pull request 2511, where a resumed training began with
    another head.
    """

    code: ClassVar[str] = "LD620"
    name: ClassVar[str] = "broken-tie"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Tied weights are trained apart")
    reads: ClassVar[tuple[Quantity, ...]] = (q.TIE_COSINE,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()

    #: cosine, 1; rounding of copies stays above, one step of a usual rate does not
    min_cosine: float = 0.999
    #: check-ups up to the newest
    min_checks: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding for the pair that lies furthest apart."""
        seen = [each for each in columns(run, q.TIE_COSINE) if len(each.values) >= self.min_checks]
        if not seen:
            raise too_few(self.min_checks, Text("check-ups of tied weights"))
        apart = [each for each in seen if each.values[-self.min_checks :].max() < self.min_cosine]
        if apart:
            yield self._finding(run, *min(apart, key=lambda each: float(each.values[-1])))

    def _finding(self, run: Run, column: str, steps: Steps, values: Doubles) -> Finding:
        were = bool(values[0] >= self.min_cosine)
        first, _, second = run.facts.get("tie", "").partition(" and ")
        pair = (
            _PAIR.format(first=first, second=second) if second else _UNNAMED.format(column=column)
        )
        since = int(steps[values < self.min_cosine][0])
        cosine = float(values[-1])
        words = {"cosine": short_number(cosine)}
        message = (
            _PARTED.format(pair=pair, step=str(since), **words)
            if were
            else _DECLARED.format(pair=pair, **words)
        )
        ends = since, int(steps[-1])
        evidence = Evidence(q.TIE_COSINE.name, column, *ends, cosine, self.min_cosine)
        return Finding(
            self.code,
            Severity.INFO if were else self.severity,
            column,
            (evidence,),
            message,
            _PARTED_ADVICE if were else _ADVICE,
            {"cosine": cosine},
        )
