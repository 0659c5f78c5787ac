"""Settings of a call: those of the configuration file, with what the command line says on top."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tb_lossdiag.config import Settings, Threshold, discover, load


def settings(arguments: argparse.Namespace, logdir: str) -> Settings:
    """The settings for a folder. `--select` and `--ignore` replace the file's; `--set` and `--map` are added to them.

    Raises:
        OSError: the configuration cannot be read.
        ValueError: it, or an option, is not understood.
    """
    base = _file(arguments, logdir)
    return replace(
        base,
        select=_codes(arguments.select) or base.select,
        ignore=_codes(arguments.ignore) or base.ignore,
        thresholds=(*base.thresholds, *map(Threshold.option, arguments.set)),
        fail_on=getattr(arguments, "fail_on", None) or base.fail_on,
        language=arguments.lang or base.language,
        mapped={**base.mapped, **mapping(arguments.map)},
    )


def mapping(options: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """`--map loss=my/tag` as settings have it; given twice, the first tag that a run has counts.

    Raises:
        ValueError: an option has no "=".
    """
    found: dict[str, tuple[str, ...]] = {}
    for option in options:
        key, equals, tag = option.partition("=")
        if not equals or not key or not tag:
            raise ValueError(f"--map {option!r}: write it as loss=my/tag")
        found[key] = (*found.get(key, ()), tag)
    return found


def _file(arguments: argparse.Namespace, logdir: str) -> Settings:
    if arguments.no_config:
        return Settings()
    path = arguments.config or discover(logdir, Path.cwd())
    return load(path) if path else Settings()


def _codes(options: Iterable[str]) -> tuple[str, ...]:
    return tuple(code for option in options for code in option.split(",") if code.strip())
