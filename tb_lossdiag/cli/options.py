"""Settings of a call: those of the configuration file, with what the command line says on top."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tb_lossdiag.config import Pattern, Settings, Threshold, discover, load
from tb_lossdiag.reader.plan import require_known


def settings(arguments: argparse.Namespace, logdir: str) -> Settings:
    """The settings for a folder. `--select` and `--ignore` replace the file's; `--set` and `--map` are added to them.

    Raises:
        OSError: the configuration cannot be read.
        ValueError: it, or an option, is not understood.
    """
    base, mapped = _file(arguments, logdir), mapping(arguments.map)
    require_known(base.mapped, f"{base.origin}: map")
    require_known(mapped, "--map")
    return replace(
        base,
        select=_patterns("--select", arguments.select) or base.select,
        ignore=_patterns("--ignore", arguments.ignore) or base.ignore,
        thresholds=(*base.thresholds, *map(Threshold.option, arguments.set)),
        fail_on=getattr(arguments, "fail_on", None) or base.fail_on,
        language=arguments.lang or base.language,
        mapped={**base.mapped, **mapped},
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


def _patterns(name: str, options: Iterable[str]) -> tuple[Pattern, ...]:
    codes = [code for option in options for code in option.split(",")]
    return tuple(Pattern(code, name) for code in codes if code.strip())
