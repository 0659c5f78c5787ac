"""What probes of a copy of the model have said, or why there were none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.columns import columns
from tb_lossdiag.diagnosis.rule import Evidence, NotEnough, Text
from tb_lossdiag.quantities import Quantity, Unprobed
from tb_lossdiag.run import Run

_WHY = {
    Unprobed.SHARDED: Text("its parameters are sharded"),
    Unprobed.COMPILED: Text("it is compiled"),
    Unprobed.RANKS: Text(
        "several ranks train it, and a forward pass of one may wait for the others"
    ),
    Unprobed.LARGE: Text(
        "a copy would take more than 5 % of the free memory, or copying more than 0.5 % of the time"
    ),
    Unprobed.HELD: Text("it holds what cannot be copied"),
    Unprobed.UNCALLED: Text("it was not called itself, only parts of it were"),
    Unprobed.ARGUMENTS: Text("it is given something that cannot be taken apart into samples"),
    Unprobed.OUTPUTS: Text("it returns nothing that belongs to a sample, or is given no samples"),
    Unprobed.FAILED: Text("a copy in eval() raised an error"),
}
_UNASKED = Text(
    "a probe of the model: watch(…, probes=True), and a run long enough that its passes are 0.5 % of the time"
)
_NOT = Text("a probe of the model, which was left out: {why}{detail}")


@dataclass(frozen=True)
class Answer:
    """What the newest probe of a model said.

    Attributes:
        name: of the watched model.
        step: after which it was asked.
        value: the change.
        moved: the change of what was exchanged.
    """

    name: str
    step: int
    value: float
    moved: float

    def beyond(self, quantity: Quantity, bound: float) -> Evidence:
        """The change beside its bound, as what a finding rests on."""
        return Evidence(quantity.name, self.name, self.step, self.step, self.value, bound)


def answers(run: Run, changed: Quantity, moved: Quantity | None = None) -> Iterator[Answer]:
    """The newest answer of each watched model that tells something: what was exchanged has changed.

    Raises:
        NotEnough: there is none; it says why. May read `PROBE_SKIPPED`.
    """
    found = False
    for name, steps, values in columns(run, changed):
        if not len(steps):
            continue
        others = values if moved is None else run[moved].at(steps, (name,))[:, 0]
        found = True
        yield Answer(name, int(steps[-1]), float(values[-1]), float(others[-1]))
    if not found:
        raise NotEnough(why_not(run))


def why_not(run: Run) -> Text:
    """Why no copy was asked. May read `PROBE_SKIPPED`."""
    known = {reason.name.lower(): reason for reason in Unprobed}
    for name, _, values in columns(run, q.PROBE_SKIPPED):
        if len(values):
            said = run.facts.get(f"not probed {name}".rstrip(), "")
            detail = f" ({said})" if said and said not in known else ""
            return _NOT.format(why=_WHY[Unprobed(int(values[-1]))], detail=detail)
    told = [known[words] for fact, words in run.facts.items() if _asked(fact) and words in known]
    return _NOT.format(why=_WHY[told[0]], detail="") if told else _UNASKED


def _asked(fact: str) -> bool:
    return fact.startswith("not probed")
