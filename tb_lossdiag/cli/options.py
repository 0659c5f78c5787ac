"""What the command line says beside the places, and what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from tb_lossdiag.checking.wishes import Wishes, patterns, tags
from tb_lossdiag.cli.output import say
from tb_lossdiag.config import Settings, Threshold, all_rules, chosen


def wishes(arguments: argparse.Namespace) -> Wishes:
    """The options. `--select` and `--ignore` replace the file's; `--set` and `--map` are added to them.

    Raises:
        ValueError: an option is not understood.
    """
    return Wishes(
        select=patterns(arguments.select, "--select"),
        ignore=patterns(arguments.ignore, "--ignore"),
        thresholds=tuple(map(Threshold.option, arguments.set)),
        mapped=tags(arguments.map, "--map"),
        config=False if arguments.no_config else arguments.config,
        fail_on=getattr(arguments, "fail_on", None),
        language=arguments.lang,
        spelling="--",
    )


def tell(settings: Settings) -> None:
    """Say on standard error which configuration was read, and what it does."""
    if settings.origin:
        done = ", ".join(_done(settings)) or "changes nothing"
        say(f"configuration: {settings.origin} ({done})")


def _done(settings: Settings) -> Iterator[str]:
    ignored = _ignored(settings)
    if ignored:
        yield _counted(ignored, "rule ignored", "rules ignored")
    if settings.thresholds:
        yield _counted(len(settings.thresholds), "threshold changed", "thresholds changed")
    if settings.mapped:
        yield _counted(len(settings.mapped), "scalar named", "scalars named")
    if settings.suppressions:
        yield _counted(len(settings.suppressions), "acceptance", "acceptances")


def _ignored(settings: Settings) -> int:
    """Rules that do not judge."""
    return len(all_rules()) - len(chosen(settings.select, settings.ignore))


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
