"""LD204 no-gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.chains import end_a_chain
from tb_lossdiag.analysis.columns import columns as known_columns
from tb_lossdiag.analysis.columns import held, latest
from tb_lossdiag.analysis.levels import Bools
from tb_lossdiag.analysis.parameters import compact, listed
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.records import Table
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{count} of {all} trainable parameters never had a gradient in {records} records: {names}."
)
_BESIDE = Text(
    "{count} of {all} trainable parameters never had a gradient in {records} records: {names}. They belong to a library's module whose others learn, so this is likely a part of its answer that the loss does not use."
)
_LAST = Text(
    "{count} of {all} trainable parameters never had a gradient in {records} records: {names}. The same parts of the modules before theirs have one, so this is likely what the last of them makes for a next one, which there is not."
)
_FROZEN = Text("""
- activation checkpointing over frozen layers: with `use_reentrant=True` a block whose input needs no gradient gives none to the adapters
  inside. Pass `use_reentrant=False` (Transformers: `gradient_checkpointing_kwargs={"use_reentrant": False}`), or call
  `model.enable_input_require_grads()`;""")
_NOTHING = Text("")
_ADVICE = Text("""`.grad` stays `None` when the loss does not depend on the parameter. For {names}, look for
{frozen}
- a `.detach()`, `.item()`, `.numpy()` or `torch.no_grad()` between these modules and the loss;
- an output that is computed but never used, or a module that is defined and not called in `forward`;
- a branch that only other batches take.

If it is meant to be so, say it: the parameters then cost neither memory nor a doubt.

```python
for parameter in {target}:
    parameter.requires_grad_(False)
```""")


@dataclass(frozen=True)
class NoGradient:
    """A trainable parameter never gets a gradient.

    Why it matters: it stays as it was initialised, however long the training lasts.

    How it decides: the parameter requires a gradient and its `.grad` is None in every record in which other parameters have one,
    and there are at least `min_records` of those. Unit: records.

    What to try first: look for `detach()`, `no_grad()` or an unused output between the module and the loss.

    Guards against: frozen parameters (`requires_grad=False`); copies that no optimizer holds (target networks, teachers, averages); branches that are used now and then; models trained in turns,
    whose steps the other model doesn't take part in. An information where they are `max_beside` or less of all elements, in modules of a
    library whose other parameters learn, and nothing is frozen: it computes more than the loss uses (a pooler, say); or in the last of several numbered modules, the same parts of
    which learn in those before it, as the rest of the last does: edges or coordinates that only a next layer would read. All parameters are reported as one finding, whole modules by one name.

    References: PyTorch, Autograd mechanics; DistributedDataParallel, `find_unused_parameters`.
    """

    code: ClassVar[str] = "LD204"
    name: ClassVar[str] = "no-gradient"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = Text("Parameters without a gradient")
    reads: ClassVar[tuple[Quantity, ...]] = (
        q.GRADIENT_NORM,
        q.GRADIENT_NONFINITE,
        q.PARAMETER_NORM,
    )
    may_read: ClassVar[tuple[Quantity, ...]] = (
        q.PARAMETER_TRAINABLE,
        q.PARAMETER_HELD,
        q.PARAMETER_FOREIGN,
        q.PARAMETER_SIZE,
    )
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD523", "LD602", "LD605")

    #: records in which others have a gradient; a branch that is used now and then shows up within that many
    min_records: int = 5
    #: share of the elements, 1; BERT's pooler is half a per cent, of tiny ones a twentieth
    max_beside: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding that names all parameters without a gradient."""
        gradient, count = run.aligned(q.GRADIENT_NORM, q.GRADIENT_NONFINITE)
        has: Bools = ~np.isnan(gradient.values) | ~np.isnan(count.values)
        judged = has.any(axis=1, keepdims=True)
        if judged.sum() < self.min_records:
            least = self.min_records
            needs = Text("at least {least} records of gradients").format(least=least)
            raise NotEnough(needs)
        trainable = ((_required(run, gradient) & _wanted(run, gradient)) | has) & judged
        without = ~has.any(axis=0) & (trainable.sum(axis=0) >= self.min_records)
        if without.any():
            steps = gradient.steps[trainable[:, without].any(axis=1)]
            columns = np.array(gradient.columns, object)
            known = [str(name) for name in columns[trainable.any(axis=0)]]
            yield self._finding(
                [str(name) for name in columns[without]],
                known,
                (int(steps[0]), int(steps[-1]), len(steps)),
                (_some_frozen(run), self._harmless(run, gradient, without)),
            )

    def _harmless(self, run: Run, gradient: Table, without: Bools) -> Text | None:
        """What to say where these are a small part that the loss has no use for, and the rest around it is trained."""
        if q.PARAMETER_SIZE not in run or _some_frozen(run):
            return None
        names = [str(name) for name in gradient.columns]
        sizes = np.nan_to_num(latest(run[q.PARAMETER_SIZE], gradient.steps[-1:], names)[0])
        if sizes[without].sum() > self.max_beside * max(sizes.sum(), 1):
            return None
        if _a_library_has_more(run, gradient, without):
            return _BESIDE
        idle = {name for name, has_none in zip(names, without, strict=True) if has_none}
        return _LAST if end_a_chain(idle, set(names) - idle) else None

    def _finding(
        self,
        names: list[str],
        trainable: list[str],
        window: tuple[int, int, int],
        known: tuple[bool, Text | None],
    ) -> Finding:
        (first, last, records), (some_frozen, harmless) = window, known
        patterns = compact(names, trainable)
        message = (harmless or _MESSAGE).format(
            count=str(len(names)),
            all=str(len(trainable)),
            records=str(records),
            names=listed(patterns),
        )
        advice = _ADVICE.format(
            names=listed(patterns, 2),
            target=_target(patterns[0]),
            frozen=_FROZEN if some_frozen else _NOTHING,
        )
        # One piece per module: its first parameter stands for it.
        shown = dict.fromkeys(_first_of(pattern, names) for pattern in patterns)
        evidence = tuple(Evidence(q.PARAMETER_NORM.name, name, first, last) for name in shown)
        subject = patterns[0] if len(patterns) == 1 else ""
        numbers = {"parameters": len(names), "trainable": len(trainable)}
        severity = Severity.INFO if harmless else self.severity
        return Finding(self.code, severity, subject, evidence, message, advice, numbers)


def _a_library_has_more(run: Run, gradient: Table, without: Bools) -> bool:
    """Whether all of these belong to a library's modules, the rest of which is trained."""
    if q.PARAMETER_FOREIGN not in run:
        return False
    names = [str(name) for name in gradient.columns]
    theirs = latest(run[q.PARAMETER_FOREIGN], gradient.steps[-1:], names)[0] == 1
    return bool(theirs[without].all() and theirs[~without].any())


def _required(run: Run, gradient: Table) -> Bools:
    """bool[T, C]: whether a parameter requires a gradient, by what was last said of it; else whether its norm is known."""
    norm = held(run[q.PARAMETER_NORM], gradient.steps, gradient.columns)
    known: Bools = np.isfinite(norm.values)[norm.rows]
    if q.PARAMETER_TRAINABLE not in run:
        return known
    flag = held(run[q.PARAMETER_TRAINABLE], gradient.steps, gradient.columns)
    said, needed = ~np.isnan(flag.values), flag.values == 1
    required: Bools = (known & ~said[flag.rows]) | needed[flag.rows]
    return required


def _some_frozen(run: Run) -> bool:
    """Whether parameters are frozen beside the trained ones, as under adapters."""
    if q.PARAMETER_TRAINABLE not in run:
        return False
    newest = run[q.PARAMETER_TRAINABLE].values[-1]
    return bool((newest == 0).any() and (newest == 1).any())


def _wanted(run: Run, gradient: Table) -> Bools:
    """bool[C]: whether an optimizer held the parameter at any time; all where none is known to hold anything."""
    flags = {each.column: each.values for each in known_columns(run, q.PARAMETER_HELD)}
    never = {name for name, values in flags.items() if len(values) and not values.any()}
    if len(never) == len(flags):
        never = set()
    return np.array([name not in never for name in gradient.columns])


def _first_of(pattern: str, names: list[str]) -> str:
    prefix = pattern.removesuffix("*")
    return next(name for name in names if name == pattern or name.startswith(prefix))


def _target(pattern: str) -> str:
    """The parameters a pattern stands for, as code."""
    if pattern.endswith(".*"):
        return f'model.get_submodule("{pattern[:-2]}").parameters()'
    return f'[model.get_parameter("{pattern}")]'
