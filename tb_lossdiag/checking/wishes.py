"""Settings of a call: those of the configuration file, with what the caller says on top."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tb_lossdiag.config import Pattern, Settings, Threshold, discover, load
from tb_lossdiag.reader.plan import require_known

Codes = str | Iterable[str]
"""Rules as somebody names them: "LD1,LD302", or one by one."""


@dataclass(frozen=True)
class Wishes:
    """What the caller says beside the places.

    Attributes:
        select: rules to run instead of the file's.
        ignore: those taken away instead of the file's.
        thresholds: added to the file's.
        mapped: own scalar tags, added to the file's.
        config: the configuration; None for the one that is found, False for none.
        fail_on: severity instead of the file's.
        language: instead of the file's.
        spelling: how names of options begin in messages.
    """

    select: tuple[Pattern, ...] = ()
    ignore: tuple[Pattern, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    mapped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    config: str | Path | Literal[False] | None = None
    fail_on: str | None = None
    language: str | None = None
    spelling: str = ""

    def settings(self, place: str) -> Settings:
        """The settings for a folder.

        Raises:
            OSError: the configuration cannot be read; the message names the option.
            ValueError: it, or a wish, is not understood.
        """
        base = self._file(place)
        require_known(base.mapped, f"{base.origin}: map")
        require_known(self.mapped, f"{self.spelling}map")
        return replace(
            base,
            select=self.select or base.select,
            ignore=self.ignore or base.ignore,
            thresholds=(*base.thresholds, *self.thresholds),
            fail_on=self.fail_on or base.fail_on,
            language=self.language or base.language,
            mapped={**base.mapped, **self.mapped},
        )

    def _file(self, place: str) -> Settings:
        if self.config is False:
            return Settings()
        found = self.config or discover(place, Path(place).parent, Path.cwd())
        if found is None:
            return Settings()
        with naming(f"{self.spelling}config" if self.config else "configuration", found):
            return load(found)


@contextmanager
def naming(option: str, path: str | Path) -> Iterator[None]:
    """Of a file that cannot be used, say which option named it.

    >>> with naming("--config", "a.toml"):
    ...     raise FileNotFoundError(2, "No such file or directory")
    Traceback (most recent call last):
    FileNotFoundError: --config a.toml: No such file or directory
    """
    try:
        yield
    except OSError as error:
        raise type(error)(f"{option} {path}: {error.strerror or error}") from error


def patterns(codes: Codes, option: str) -> tuple[Pattern, ...]:
    """Rules that an option names.

    Raises:
        ValueError: a text names none: that would select nothing, or everything.
    """
    given = [codes] if isinstance(codes, str) else list(codes)
    return tuple(Pattern(code, option) for text in given for code in _codes(text, option))


def _codes(text: str, option: str) -> list[str]:
    found = [code for code in text.split(",") if code.strip()]
    if not found:
        raise ValueError(f"{option} {text!r} names no rule: write it as LD2 or LD2,LD302")
    return found


def tags(options: Iterable[str], option: str) -> dict[str, tuple[str, ...]]:
    """`loss=my/tag` as settings have it; given twice, the first tag that a run has counts.

    Raises:
        ValueError: an option has no "=".
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in options:
        key, equals, tag = text.partition("=")
        if not equals or not key or not tag:
            raise ValueError(f"{option} {text!r}: write it as loss=my/tag")
        found[key] = (*found.get(key, ()), tag)
    return found


def own_tags(named: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Tags as an argument has them, {"loss": "my/tag"}, as settings have them."""
    return {key: (tag,) for key, tag in named.items()}


def thresholds_of(named: Mapping[str, float]) -> tuple[Threshold, ...]:
    """Thresholds as an argument has them, {"LD601.max_ratio": 0.2}.

    Raises:
        ValueError: a name has no dot.
    """
    found = []
    for target, value in named.items():
        rule, dot, name = target.partition(".")
        if not dot:
            raise ValueError(f"thresholds: {target!r}: write it as LD601.max_ratio")
        found.append(Threshold(rule, name, value, "thresholds"))
    return tuple(found)


def asked(
    select: Codes,
    ignore: Codes,
    thresholds: Mapping[str, float] | None,
    tags: Mapping[str, str] | None,
    config: str | os.PathLike[str] | Literal[False] | None,
    language: str | None,
) -> Wishes:
    """What `diagnose` and `compare` are given beside the places.

    Raises:
        ValueError: an argument is not understood.
    """
    return Wishes(
        select=patterns(select, "select"),
        ignore=patterns(ignore, "ignore"),
        thresholds=thresholds_of(thresholds or {}),
        mapped=own_tags(tags or {}),
        config=config if config is None or config is False else Path(config),
        language=language,
    )
