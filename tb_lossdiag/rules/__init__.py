"""The rules, in the order of their codes.

To add one is three things, a rule, its family's line and its test:

1. `rules/<family>/<name>.py`: a frozen dataclass shaped like `tb_lossdiag.diagnosis.rule.Rule`; copy a short neighbour such as
   `clipping/clip_after_step.py`. Its fields are the thresholds, each with a `#:` comment (unit; source or reason); its docstring is the
   documentation in the tab, so keep the five sections. Declare in `reads` what it cannot do without and in `may_read` what it uses if it
   is there: nothing else can be read. Name in `explains` the codes of findings that are consequences of yours (no cycles: causes point
   to symptoms);
2. its import and its line in `RULES` in the family's `__init__.py`;
3. `tests/unit/rules/<family>/test_<name>.py`: it fires on the smallest sick run, is clear on healthy ones and just below the threshold,
   and names the right column and window. One sick run is called `SICK`: `test_catalogue.py` and `test_properties.py` find it there, and
   ask of every rule what it owes its reader.

`python3 tasks.py messages` then adds the places for the translation, `python3 tasks.py readme` the lines of the tables.

Raise `NotEnough` when there are too few records to judge: silence would read as health.
"""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules import (
    clipping,
    gradients,
    loop,
    loss_curve,
    loss_terms,
    loss_use,
    machine,
    model,
    record,
    reinforcement,
)

RULES: tuple[Rule, ...] = (
    *loss_curve.RULES,
    *gradients.RULES,
    *clipping.RULES,
    *loss_terms.RULES,
    *loss_use.RULES,
    *loop.RULES,
    *model.RULES,
    *machine.RULES,
    *record.RULES,
    *reinforcement.RULES,
)
"""All rules, by code."""
