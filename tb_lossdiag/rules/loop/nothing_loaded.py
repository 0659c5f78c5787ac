"""LD641 nothing-loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tb_lossdiag import quantities as q
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text
from tb_lossdiag.quantities import Quantity
from tb_lossdiag.run import Run

_MESSAGE = Text(
    "A checkpoint of {given} tensors was loaded with `strict=False`, and none of its names is one of the model's: its first is `{theirs}`, the model's first is `{ours}`. Nothing was loaded."
)
_ADVICE = Text("""Look at what `load_state_dict` returns, and give the tensors the model's own names:

```python
saved = model.state_dict()  # what torch.load gives
prefix = "module."  # or "model.", "encoder.", "_orig_mod.": what one of the two has before its names
names = {name.removeprefix(prefix): value for name, value in saved.items()}
left = model.load_state_dict(names, strict=False)
print(len(left.missing_keys), "missing,", len(left.unexpected_keys), "unexpected")
```

Or load into the part that the checkpoint is of, with `strict=True`, which says what does not fit.""")
_WORDS = 3


@dataclass(frozen=True)
class NothingLoaded:
    """A checkpoint was loaded, and not one of its tensors got into the model.

    Why it matters: `strict=False` passes over names that do not fit, without a word. The model trains from random weights while its author believes that
    it was trained before.

    How it decides: `load_state_dict` was given tensors for a watched model, or a part of it, while a writer was open, and named all of them unexpected; that
    model had no other load before into which a name fitted, and its parameters were as that load had left them when its watch began. Unit: none, it is so or not.

    What to try first: print what `load_state_dict` returns.

    Guards against: some names that fit, as of a backbone, of adapters or of one of several files; an empty checkpoint; what is loaded, copied or given other
    names in a second attempt; another model's load.

    References: torchgeo/torchgeo issue 4036 and ImCharlesY/AdaInt pull request 12 (names with another prefix); PyTorch, `Module.load_state_dict`.
    """

    code: ClassVar[str] = "LD641"
    name: ClassVar[str] = "nothing-loaded"
    severity: ClassVar[Severity] = Severity.ERROR
    title: ClassVar[Text] = Text("Nothing of the checkpoint was loaded")
    reads: ClassVar[tuple[Quantity, ...]] = (q.STEPS,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ("LD104", "LD107", "LD108", "LD109", "LD523")

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield a finding if no name fitted."""
        words = run.facts.get(q.NOTHING_LOADED, "").split()
        if len(words) != _WORDS or not words[0].isdecimal():
            return
        given, theirs, ours = words
        message = _MESSAGE.format(given=given, theirs=theirs, ours=ours)
        steps = run[q.STEPS].steps
        ends = int(steps[0]), int(steps[-1])
        evidence = Evidence(q.STEPS.name, run[q.STEPS].columns[0], *ends, None, None)
        numbers = {"given": float(given)}
        yield Finding(self.code, self.severity, "", (evidence,), message, _ADVICE, numbers)
