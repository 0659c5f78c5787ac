"""The settings of a configuration file, checked: a misspelt key is an error, never ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tb_lossdiag.config.pattern import Pattern
from tb_lossdiag.config.suppression import Suppression
from tb_lossdiag.config.threshold import Threshold

LEVELS = ("info", "warning", "error", "never")
LANGUAGES = ("en", "zh-CN")
_KEYS = ("select", "ignore", "fail-on", "lang", "thresholds", "map", "suppress")
_ENTRY = ("code", "run", "column", "steps", "reason")


@dataclass(frozen=True)
class Settings:
    """What a file or the command line decides.

    Attributes:
        origin: the file, "" for none.
        select: rules to run; empty for all.
        ignore: those that are taken away.
        thresholds: those that are changed.
        fail_on: severity from which `check` exits with 1.
        language: of the texts.
        mapped: own scalar tags, see `tb_lossdiag.reader.plan.TagMap`.
        suppressions: accepted findings.
    """

    origin: str = ""
    select: tuple[Pattern, ...] = ()
    ignore: tuple[Pattern, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    fail_on: str = "warning"
    language: str = "en"
    mapped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    suppressions: tuple[Suppression, ...] = ()

    @property
    def names_rules(self) -> bool:
        """Whether there is something in it that only the rules can tell to be right."""
        return bool(self.select or self.ignore or self.thresholds or self.suppressions)

    @classmethod
    def of(cls, table: Mapping[str, Any], origin: str) -> Settings:
        """From a TOML table.

        Raises:
            ValueError: a key or value that is not understood; the message names the file and what is.
        """
        try:
            return cls(origin, **_parsed(table, origin))
        except ValueError as error:
            raise ValueError(f"{origin}: {error}") from None


def _parsed(table: Mapping[str, Any], origin: str) -> dict[str, Any]:
    _only(table, _KEYS, "there")
    return {
        "select": _patterns(table, "select", origin),
        "ignore": _patterns(table, "ignore", origin),
        "thresholds": tuple(_thresholds(_table(table, "thresholds"), origin)),
        "fail_on": _one_of(table, "fail-on", LEVELS, "warning"),
        "language": _one_of(table, "lang", LANGUAGES, "en"),
        "mapped": dict(_mapped(_table(table, "map"))),
        "suppressions": tuple(_suppression(entry, origin) for entry in _list(table, "suppress")),
    }


def _patterns(table: Mapping[str, Any], key: str, origin: str) -> tuple[Pattern, ...]:
    return tuple(Pattern(word, f"{origin}: {key}") for word in _words(table, key))


def _thresholds(table: Mapping[str, Any], origin: str, prefix: str = "") -> Iterator[Threshold]:
    """`LD201.max_ratio = 1` in TOML is a table in a table; quoted, it is one key."""
    for key, value in table.items():
        target = f"{prefix}{key}"
        rule, dot, name = target.partition(".")
        if isinstance(value, Mapping):
            yield from _thresholds(value, origin, f"{target}.")
        elif not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(f"thresholds: {target} = {value!r} is not a number")  # noqa: TRY004
        elif not dot:
            raise ValueError(f"thresholds: {target}: write it as LD601.max_ratio = 0.2")
        else:
            yield Threshold(rule, name, value, f"{origin}: thresholds")


def _mapped(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _mapped(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _words(table, key, "map")


def _suppression(entry: Any, origin: str) -> Suppression:
    if not isinstance(entry, Mapping):
        raise ValueError("suppress: write each as a table [[suppress]] with code and reason")  # noqa: TRY004
    _only(entry, _ENTRY, "in suppress")
    words = {key: _text(entry, key) for key in _ENTRY if key in entry and key != "steps"}
    if not words.get("code") or not words.get("reason", "").strip():
        raise ValueError(
            "suppress: code and reason are needed; the reason is shown to whoever reads"
        )
    return Suppression(**words, steps=_steps(entry.get("steps")), origin=f"{origin}: suppress")


def _steps(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    match value:
        case [int(first), int(last)] if first <= last:
            return first, last
    raise ValueError(f"suppress: steps = {value!r}: expected [first, last]")


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{where} is no {key!r}; known: {', '.join(known)}")


def _words(table: Mapping[str, Any], key: str, where: str = "") -> tuple[str, ...]:
    """A string or a list of strings."""
    value = table.get(key, [])
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(word, str) for word in values):
        name = f"{where}.{key}" if where else key
        raise ValueError(f"{name} = {value!r}: expected a list of strings")
    return tuple(values)


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise ValueError(f"suppress: {key} = {value!r}: expected a string")  # noqa: TRY004
    return value


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise ValueError(f"{key} = {value!r}: expected a table")  # noqa: TRY004
    return value


def _list(table: Mapping[str, Any], key: str) -> list[Any]:
    value = table.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"{key}: write it as [[{key}]]")  # noqa: TRY004
    return value


def _one_of(table: Mapping[str, Any], key: str, known: tuple[str, ...], default: str) -> str:
    value = table.get(key, default)
    if value not in known:
        raise ValueError(f"{key} = {value!r}: expected one of {', '.join(known)}")
    return str(value)
