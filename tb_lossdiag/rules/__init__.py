"""The rules, in the order of their codes.

To add one:

1. write `rules/<family>/<name>.py` with a frozen dataclass shaped like `tb_lossdiag.diagnosis.rule.Rule`; copy a short neighbour such as
   `clipping/clip_after_step.py`. Its fields are the thresholds, each with a `#:` comment (unit; source or reason); its docstring is the
   documentation in the tab, so keep the five sections; Chinese goes into the catalogue (`python3 tasks.py messages` adds the places);
2. declare in `reads` what it cannot do without and in `may_read` what it uses if it is there: nothing else can be read;
3. name in `explains` the codes of findings that are consequences of yours (no cycles: causes point to symptoms);
4. add its import and one line to `RULES` in the family's `__init__.py`;
5. write `tests/unit/rules/<family>/test_<name>.py`: it fires on the smallest sick run, is clear on healthy ones and just below the
   threshold, and names the right column and window. `test_catalogue.py` and `test_properties.py` include it by themselves.

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
)
"""All rules, by code."""
