"""Where weights were pruned during the training."""

from __future__ import annotations

from tb_lossdiag import quantities as q
from tb_lossdiag.run import Run


def pruned(run: Run, before: int, after: int) -> bool:
    """Whether masks were made between two records, as far as looks at the model tell.

    Args:
        run: with its facts.
        before: step of the record before.
        after: step of the record after.
    """
    try:
        ends = [int(each) for each in run.facts.get(q.PRUNED, "").split()]
    except ValueError:
        return False
    stretches = zip(ends[::2], ends[1::2], strict=False)
    return any(first < after and before < last for first, last in stretches)
