"""LD724 no-positions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.analysis.modules import Layout, layout
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Severity, Text
from tb_lossdiag.quantities import Kind, Quantity, Role
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "{count} attention modules read the tokens of `{tokens}`, and nothing that was seen tells them where a token stands: no second embedding, no parameter and no module for positions."
)
_ADVICE = Text("""Attention alone takes its tokens for a set: `dog bites man` and `man bites dog` are one to it. Add positions to the embeddings:

```python
positions = torch.nn.Embedding(512, 64)
embedded = torch.randn(8, 20, 64)
embedded = embedded + positions(torch.arange(embedded.shape[1]))
```

Positions that are computed inside `forward` (rotary, sinusoids, biases) are not seen from here; then this is none of your concern.""")


@dataclass(frozen=True)
class NoPositions:
    """A stack of attention gets no positions.

    Why it matters: without positions attention sees a set of tokens, and what depends on their order cannot be learned.

    How it decides: a watched model has at least `min_attention` attention modules and exactly one embedding, and neither a recurrent or
    convolution module nor a module or parameter whose name or role could be positions. An information. Unit: modules.

    What to try first: an embedding of positions beside that of the tokens.

    Guards against: sets, which come without an embedding of tokens; positions as parameters, as a module, or by a recurrent or convolution
    layer; those computed inside `forward` cannot be seen (information only, and the advice says so).

    References: Vaswani et al. 2017 (arXiv 1706.03762), section 3.5.
    """

    code: ClassVar[str] = "LD724"
    name: ClassVar[str] = "no-positions"
    severity: ClassVar[Severity] = Severity.INFO
    title: ClassVar[Text] = Text("Attention without positions")
    reads: ClassVar[tuple[Quantity, ...]] = (q.MODULE_KIND, q.PARAMETER_ROLE)
    may_read: ClassVar[tuple[Quantity, ...]] = (q.MODULE_FED_BY, q.MODULE_LAST)
    explains: ClassVar[tuple[str, ...]] = ()

    #: modules; one may pool a set
    min_attention: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding per such model."""
        models = [each for each in layout(run).models() if len(_of(each, Kind.ATTENTION)) >= 2]  # noqa: PLR2004
        if not models:
            raise NotEnough(
                Text("a model of {least} attention modules or more").format(
                    least=self.min_attention
                )
            )
        step = int(run[q.MODULE_KIND].steps[-1])
        for modules in models:
            attention, tokens = _of(modules, Kind.ATTENTION), _of(modules, Kind.EMBEDDING)
            if len(attention) < self.min_attention or len(tokens) != 1 or _placed(run, modules):
                continue
            evidence = Evidence(q.MODULE_KIND.name, attention[0], step, step)
            message = _MESSAGE.format(count=str(len(attention)), tokens=tokens[0])
            numbers = {"attention": len(attention)}
            yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)


_NAMES = re.compile(
    r"pos|rotary|rope|alibi|sinus|place|wpe|time|order|(^|[./])pe([./]|$)", re.IGNORECASE
)


def _of(modules: Layout, kind: Kind) -> list[str]:
    return [name for name, each in modules.kinds.items() if each is kind]


def _placed(run: Run, modules: Layout) -> bool:
    """Whether something may tell positions."""
    if _of(modules, Kind.RECURRENT) or _of(modules, Kind.CONVOLUTION):
        return True
    roles = run[q.PARAMETER_ROLE]
    loose = [
        name
        for name in roles.columns
        if roles.column(name)[-1] == Role.OTHER
        and not name.endswith(("in_proj_weight", "in_proj_bias"))
    ]
    return bool(loose) or any(_NAMES.search(name) for name in (*modules.kinds, *roles.columns))
