"""Counts in words, the singular as it is said."""

from __future__ import annotations

from tb_lossdiag.diagnosis.text import Text


def often(count: int) -> Text:
    """How many times something happened.

    >>> often(1).en, often(3).en
    ('once', '3 times')
    """
    return Text("once") if count == 1 else Text("{count} times").format(count=str(count))


def in_steps(count: int) -> Text:
    """So many steps.

    >>> in_steps(1).en, in_steps(20).en
    ('1 step', '20 steps')
    """
    return Text("1 step") if count == 1 else Text("{count} steps").format(count=str(count))


def every(count: int, one: Text, all_of_them: Text) -> Text:
    """Things that are all meant: "the only parameter" where there is but one.

    >>> every(1, Text("the only clip"), Text("all {count} clips")).en
    'the only clip'
    """
    return one if count == 1 else all_of_them.format(count=str(count))
