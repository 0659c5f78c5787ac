"""What lies in a folder and is not judged, and why: silence would read as health."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tb_lossdiag.reader import LeftOut, Listing, Reader
from tb_lossdiag.visible import flat

_SHOWN = 5
"""Runs that are named."""


def require(reader: Reader, listings: Mapping[str, Listing], logdir: str) -> None:
    """Raise ValueError, with what there is instead, if a folder holds nothing to judge."""
    if listings:
        return
    seen = "".join(f"; {sentence}" for sentence in _sentences(reader.left_out(listings)))
    raise ValueError(
        f"no Loss Doctor records in {logdir} and no scalar that is known as a loss: record with tb_lossdiag.SummaryWriter "
        f"and add_diagnostics, or name a scalar with --map loss=TAG{seen}"
    )


def require_use(listings: Mapping[str, Listing], mapped: Mapping[str, tuple[str, ...]]) -> None:
    """Raise ValueError for a `--map` that no run has a use for: a misspelt tag must not pass for a healthy run."""
    scalars = [listing.scalars for listing in listings.values() if listing.scalars]
    used = {key for found in scalars for key in found.plan.mapped}
    for key, tags in mapped.items():
        if key not in used:
            raise ValueError(f"--map {key}={tags[0]}: no run has a scalar of that tag")


def tell(reader: Reader, listings: Mapping[str, Listing]) -> None:
    """Say on standard error which runs are not judged."""
    for sentence in _sentences(reader.left_out(listings)):
        print(f"tb-lossdiag: {sentence}", file=sys.stderr)  # noqa: T201


def _sentences(left: Mapping[str, LeftOut]) -> list[str]:
    told = [f"not judged: {flat(run)}: {_why(entry)}" for run, entry in left.items()]
    more = [f"not judged: {len(told) - _SHOWN} more runs"] if len(told) > _SHOWN else []
    return told[:_SHOWN] + more


def _why(entry: LeftOut) -> str:
    if entry.no_descent:
        return f"a loss beside {flat(entry.no_descent)} measures no progress (--map loss=TAG judges it all the same)"
    tags = ", ".join(flat(tag) for tag in entry.tags)
    return f"no scalar that is known as a loss (it has {tags}): --map loss=TAG names one"
