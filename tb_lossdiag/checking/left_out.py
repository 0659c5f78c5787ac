"""What lies in a folder and is not judged, and why: silence would read as health."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tb_lossdiag.reader import LeftOut
from tb_lossdiag.visible import flat

_SHOWN = 5
"""Runs that are named."""


def require(entries: Collection[object], left: Mapping[str, LeftOut], logdir: str) -> None:
    """Raise ValueError, with what there is instead, if a folder holds nothing to judge."""
    if entries:
        return
    seen = "".join(f"; {sentence}" for sentence in sentences(left))
    agents = left and all(entry.no_descent for entry in left.values())
    lacks = "loss that measures progress" if agents else "scalar that is known as a loss"
    raise ValueError(
        f"no Loss Doctor records in {logdir} and no {lacks}: record with tb_lossdiag.SummaryWriter "
        f"and add_diagnostics, or name a scalar with --map loss=TAG{seen}"
    )


def require_use(used: Collection[str], mapped: Mapping[str, tuple[str, ...]], option: str) -> None:
    """Raise ValueError for a tag that no run has a use for: a misspelt tag must not pass for a healthy run."""
    for key, tags in mapped.items():
        if key not in used:
            raise ValueError(f"{option} {key}={tags[0]}: no run has a scalar of that tag")


def sentences(left: Mapping[str, LeftOut]) -> list[str]:
    """Which runs are not judged, and why."""
    told = [f"not judged: {flat(run)}: {_why(entry)}" for run, entry in left.items()]
    more = [f"not judged: {len(told) - _SHOWN} more runs"] if len(told) > _SHOWN else []
    return told[:_SHOWN] + more


def _why(entry: LeftOut) -> str:
    if entry.no_descent:
        return f"a loss beside {flat(entry.no_descent)} measures no progress (--map loss=TAG judges it all the same)"
    more = f" and {entry.more} more" if entry.more else ""
    tags = ", ".join(flat(tag) for tag in entry.tags) + more
    named = flat(entry.perhaps) or "TAG"
    return f"no scalar that is known as a loss (it has {tags}): --map loss={named} names one"
