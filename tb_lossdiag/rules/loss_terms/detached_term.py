"""LD404 detached-term."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.added import is_added_without_path, is_count
from tb_lossdiag.analysis.astray import Astray, led_astray
from tb_lossdiag.analysis.parameters import listed
from tb_lossdiag.analysis.terms import term_fall
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text, short_number
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Steps
from tb_lossdiag.run import Run

_ZERO = Text(
    "The gradient of `{term}` (weight {weight}, value {value}) was exactly 0 in all {records} decompositions: it has no path to what was decomposed."
)
_CUT = Text(
    "The tensor given for `{term}` (weight {weight}, value {value}) had no path to the parameters in any of {records} records, while other terms had one."
)
_SUMMED = Text(
    "{cut} The loss is the sum with it, and fewer parts of that sum have a path than there are terms: `{term}` is in the loss, and not trained."
)
_COUNTED = Text(
    "{cut} The loss is the sum with it, a part of that sum has no path, and all values of `{term}` are whole multiples of one step: it is a count, which has no slope. It is in the loss, and not trained."
)
_ASTRAY = Text(
    "Before each step of `{model}`, `backward()` begins from a sum with `{term}` (weight {weight}, value {value}), which depends on none of its parameters. It reaches {others} alone, whose gradients of that pass are reset unused: `{term}` trains nobody."
)
_ADVICE_ASTRAY = Text("""What `{term}` is computed of was cut from `{model}`. `.detach()` belongs to the other model's turn; in this one the output is judged as it was made. Look for it, and for `.data`, `torch.no_grad()` or an output that was kept from before, between `{model}` and `{term}`.

```python
gradients = torch.autograd.grad(term, list(model.parameters()), retain_graph=True, allow_unused=True)
assert any(gradient is not None for gradient in gradients), "this term does not reach the model"
```""")
_ADVICE = Text("""If the total contains this very tensor, `{term}` is reported and never trained. Look between the model's output and the term for `.detach()`, `.item()`, `.data`, `torch.no_grad()`, `torch.tensor(...)`, NumPy, or a function without a slope (`argmax`, `round`, comparisons).

```python
assert {name}.requires_grad, "no gradient flows through this term"
```

If it was detached for recording only, pass it as it is: `add_diagnostics` detaches by itself.""")


@dataclass(frozen=True)
class DetachedTerm:
    """A term of the loss has no path to the parameters.

    Why it matters: its number is part of the loss, but no gradient comes from it; it isn't trained.

    How it decides: a term with a weight other than 0 and a value other than 0. With `decompose`: the norm of its gradient is
    exactly 0 in all of at least `min_decompositions`, while another term has one. Otherwise: the tensor given for it has no
    path to the parameters in any of at least `min_records` records while that of another term has; it may have been detached
    for recording only, so this is a warning if its level has not fallen by `improved` of its start, or if the loss is the sum with it and
    `min_decompositions` check-ups see parts of that sum without a path, and fewer with one than there are terms, or the term is a count (its values are whole
    multiples of one step); else an information. Or, of several watched models:
    in at least `min_decompositions` check-ups the one pass that reached a model before its step began from the sum with the term, which depends on no parameter of that
    model while others of its terms do, and on those of other models only, which reset that pass' gradients before their own. Unit: L2 norm, records.

    What to try first: look for `detach()`, `item()`, `no_grad()` and functions without a slope.

    Guards against: terms given as plain numbers (not judged), all terms detached (a habit of recording), weight 0, a margin that
    is met (value 0); models that share a pass and each make a step with it; terms of several players that are given together.

    References: PyTorch, Autograd mechanics, "Locally disabling gradient computation".
    """

    code: ClassVar[str] = "LD404"
    name: ClassVar[str] = "detached-term"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("A loss term is not connected")
    reads: ClassVar[tuple[Quantity, ...]] = (q.LOSS_TERM, q.LOSS_WEIGHT)
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.LOSS_TERM_ATTACHED,
        q.TERM_GRADIENT_NORM,
        q.LOSS,
        q.ATTACHED_ADDENDS,
        q.TERM_REACH,
        q.BACKPROPAGATED,
        q.REACHING_PASSES,
        q.THROWN_PASSES,
        q.LEFT_NORM,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD204", "LD406", "LD523")

    #: decompositions; a path that depends on the batch shows up within that many
    min_decompositions: int = 3
    #: records of the tensors; the first step can be a special one
    min_records: int = 5
    #: share of the term's start, 1; what falls is trained, by whatever way
    improved: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding per term without a path."""
        judged, found = self._by_gradient(run)
        by_path, more = self._by_path(run)
        if not judged and not by_path:
            raise NotEnough(Text("loss_terms as tensors, at least two of them, or decompose"))
        known = {finding.subject for finding in found}
        yield from found
        # What has a gradient is connected, whatever tensor was given for it.
        yield from (f for f in more if f.subject not in known and f.subject not in judged)
        yield from (_astray(run, seen) for seen in led_astray(run, self.min_decompositions))

    def _by_gradient(self, run: Run) -> tuple[set[str], list[Finding]]:
        """Terms that could be judged by their gradients, and the findings among them."""
        if q.TERM_GRADIENT_NORM not in run:
            return set(), []
        table = run[q.TERM_GRADIENT_NORM]
        known = np.isfinite(table.values)
        judged = {
            name
            for index, name in enumerate(table.columns)
            if known[:, index].sum() >= self.min_decompositions
        }
        lively = bool((known & (table.values > 0)).any())
        dead = [
            name
            for name in table.columns
            if name in judged and not np.nanmax(table.column(name)) > 0 and lively
        ]
        found = [self._finding(run, name, table.steps, _ZERO) for name in dead]
        return judged, [finding for finding in found if finding is not None]

    def _by_path(self, run: Run) -> tuple[bool, list[Finding]]:
        if q.LOSS_TERM_ATTACHED not in run:
            return False, []
        table = run[q.LOSS_TERM_ATTACHED]
        known = np.isfinite(table.values)
        enough = known.sum(axis=0) >= self.min_records
        cut = enough & ~(known & (table.values > 0)).any(axis=0)
        attached = (known & (table.values > 0)).any()
        names = [name for name, is_cut in zip(table.columns, cut, strict=True) if is_cut]
        found = [self._finding(run, name, table.steps, _CUT) for name in names if attached]
        return int(enough.sum()) > 1, [finding for finding in found if finding is not None]

    def _finding(self, run: Run, term: str, steps: Steps, text: Text) -> Finding | None:
        """None if the term counts for nothing: weight or value are 0."""
        value, weight = run.aligned(q.LOSS_TERM, q.LOSS_WEIGHT)
        on = (weight.column(term) != 0) & np.isfinite(value.column(term))
        on &= np.isfinite(weight.column(term)) & (value.column(term) != 0)
        if not on.any():
            return None
        within = value.steps[on]
        ends = max(int(steps[0]), int(within[0])), min(int(steps[-1]), int(within[-1]))
        if ends[0] > ends[1]:
            return None
        typical = (
            float(np.median(value.column(term)[on])),
            float(np.median(weight.column(term)[on])),
        )
        fall = float(term_fall(run, term, value.steps[-1:])[0])
        words = {
            "term": term,
            "value": short_number(typical[0]),
            "weight": short_number(typical[1]),
        }
        message = text.format(records=str(len(steps)), **words)
        added = text is _CUT and is_added_without_path(run, term, self.min_decompositions)
        message = _why(run, term).format(cut=message, term=term) if added else message
        sure = text is _ZERO or added or not fall >= self.improved
        evidence = Evidence(q.LOSS_TERM.name, term, *ends, 0.0, 0.0)
        advice = _ADVICE.format(term=term, name=_identifier(term))
        severity = self.severity if sure else Severity.INFO
        numbers = {"value": typical[0], "weight": typical[1]}
        return Finding(self.code, severity, term, (evidence,), message, advice, numbers)


def _why(run: Run, term: str) -> Text:
    """How a term is known to be a part of the loss."""
    return _COUNTED if is_count(run[q.LOSS_TERM].column(term)) else _SUMMED


def _astray(run: Run, seen: Astray) -> Finding:
    """A term whose gradient goes to another model, which throws it away."""
    value, weight = run.aligned(q.LOSS_TERM, q.LOSS_WEIGHT)
    typical = [float(np.nanmedian(each.column(seen.term))) for each in (value, weight)]
    message = _ASTRAY.format(
        term=seen.term,
        model=seen.model,
        value=short_number(typical[0]),
        weight=short_number(typical[1]),
        others=listed(seen.others),
    )
    ends = int(seen.steps[0]), int(seen.steps[-1])
    evidence = Evidence(q.TERM_REACH.name, q.pair(seen.term, seen.model), *ends, 0.0, 0.0)
    advice = _ADVICE_ASTRAY.format(term=seen.term, model=seen.model)
    numbers = {"value": typical[0], "weight": typical[1]}
    rule = DetachedTerm
    return Finding(rule.code, rule.severity, seen.term, (evidence,), message, advice, numbers)


def _identifier(name: str) -> str:
    """A variable name that resembles a term's."""
    clean = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return clean if clean[:1].isalpha() else f"term_{clean}"
