r"""Characters that nobody sees, made visible: names come from users, files and other packages.

In a terminal a control character moves the cursor, clears the screen or changes colours, and a mark of direction lets a line read
differently from what it says. Each is written as people write it in a program: `\x1b`, `\u202e`.
"""

from __future__ import annotations

import re
from functools import lru_cache

_DIRECTION = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb"
"""Marks, embeddings, overrides and isolates; separators of lines and paragraphs, which end a line like a line feed."""
_HALVES = "\ud800-\udfff"
"""Half characters: a folder's name that is no UTF-8 has them, and no file or answer can."""
_UNSEEN = re.compile(f"[\x00-\x1f\x7f-\x9f{_DIRECTION}{_HALVES}]")
_UNSEEN_IN_JSON = re.compile(f"[\x7f-\x9f{_DIRECTION}{_HALVES}]")
_KEPT = 2**12
"""Texts that were looked at and may come again: reports of many runs say the same of most rules."""


@lru_cache(_KEPT)
def visible(text: str, keep: str = "") -> str:
    r"""Text without control characters.

    Args:
        text: anything.
        keep: control characters that are meant, such as the line feeds of a paragraph.

    >>> visible("\x1b[2Jgone"), visible("a\u202eb\n"), visible("a\nb", keep="\n")
    ('\\x1b[2Jgone', 'a\\u202eb\\n', 'a\nb')
    """
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _spelled(found[0]), text)


def flat(text: str) -> str:
    r"""A sentence in one line, without control characters.

    >>> flat("two\n lines\x07")
    'two lines\\x07'
    """
    return visible(" ".join(re.split(r"[ \t\r\n]+", text)))


def in_json(text: str) -> str:
    r"""JSON that means the same and can be printed, whatever its strings hold; line feeds between them stay.

    >>> in_json('{"a": "\x9b\u202e"}')
    '{"a": "\\u009b\\u202e"}'
    """
    return _UNSEEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_SHORT = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}


def _spelled(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")  # noqa: PLR2004
