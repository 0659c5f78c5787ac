"""Where a training comes from: its command line, without what looks like a secret, and the commit of its code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

SWITCH = "TB_LOSSDIAG_ORIGIN"
"""Environment variable; with "off" nothing of this is noted, whoever makes the writer."""
HIDDEN = "***"
_LONGEST = 1000
"""Characters of a command line."""
_PATIENCE = 1.0
"""Seconds that git may take to say whether files were changed."""
_NAMED = re.compile(
    r"(^|[-_.])pass$|pass(word|wd|phrase)$|pwd$|secret|credential|(^|[-_.])(auth|bearer|cookie|dsn|sas)$"
    r"|(api|access|account|private|signing|encryption|wandb|deploy)[-_.]?key|token$|[-_.]key$|^key$",
    re.IGNORECASE,
)
"""Names of arguments whose value is nobody's business."""
_TOLD = re.compile(
    r"^(sk-|pk-|rk-|ghp_|gho_|ghs_|github_pat_|glpat-|hf_|xox[a-z]-|AKIA|ASIA|AIza|ya29\.|eyJ|npm_|pypi-|Bearer |Basic )"
)
"""How well-known kinds of keys begin."""
_OPAQUE = re.compile(r"^(?=[^\W_]*\d)(?=[^\W_]*[A-Za-z])[A-Za-z0-9+=]{24,}$")
"""Letters and digits in one long row, as no name or path has them."""
_LOGIN = re.compile(r"(://)[^/@\s]+@")
_QUERY = re.compile(
    r"([?&;][^=&;\s]*(?:token|key|sig|secret|pass|auth)[^=&;\s]*=)[^&;\s]+", re.IGNORECASE
)
_HOOK = re.compile(r"(https?://[^/\s]*(?:hook|discord)[^/\s]*/)\S+", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{40,64}")


def origin() -> dict[str, str]:
    """Facts in words; {} where it is switched off or nothing is known."""
    if os.environ.get(SWITCH, "").lower() in {"off", "0", "no", "false"}:
        return {}
    return {**_command(), **_commit(_folder())}


# --- the command line ----------------------------------------------------------------------------------------------------


def _command() -> dict[str, str]:
    words = getattr(sys, "argv", [])
    if not words or not words[0] or "ipykernel" in words[0]:
        return {}  # a notebook's kernel: its arguments say nothing of the training
    return {"command": command_line(words)}


def command_line(words: Sequence[str]) -> str:
    """The words of a command with the values hidden that look like secrets.

    >>> command_line(["train.py", "--lr", "0.1", "--api-key", "abc", "hub.token=abc", "--max-tokens", "512"])
    'train.py --lr 0.1 --api-key *** hub.token=*** --max-tokens 512'
    """
    line = " ".join(_quoted(word) for word in _without_secrets(words))
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


def _without_secrets(words: Sequence[str]) -> Iterator[str]:
    hide_next = False
    for word in words:
        name, equals, value = word.partition("=")
        if hide_next and not word.startswith("--"):
            yield HIDDEN
            hide_next = False
        elif equals and _is_secret(name.lstrip("-+"), value):
            yield f"{name}={HIDDEN}"
        else:
            hide_next = word.startswith("-") and not equals and _names_one(word.lstrip("-"))
            yield _cleaned(word)


def _is_secret(name: str, value: str) -> bool:
    return (_names_one(name) and not _is_number(value)) or _looks_like_one(value)


def _names_one(name: str) -> bool:
    return _NAMED.search(name) is not None


def _looks_like_one(value: str) -> bool:
    return _TOLD.match(value) is not None or _OPAQUE.match(value) is not None


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[-+]?\d{1,6}(\.\d*)?", value) is not None


def _cleaned(word: str) -> str:
    """A word without a key of its own, a login or a token within an address."""
    if _looks_like_one(word):
        return HIDDEN
    word = _LOGIN.sub(rf"\1{HIDDEN}@", word)
    return _HOOK.sub(rf"\1{HIDDEN}", _QUERY.sub(rf"\1{HIDDEN}", word))


def _quoted(word: str) -> str:
    return f'"{word}"' if not word or any(c.isspace() for c in word) else word


# --- the commit ----------------------------------------------------------------------------------------------------------


def _folder() -> Path:
    """The folder of the script, if it is one of the user's; else the one that was started in."""
    script = Path(sys.argv[0] or ".") if getattr(sys, "argv", []) else Path()
    installed = Path(sys.prefix).resolve()
    try:
        own = script.is_file() and installed not in script.resolve().parents
        return script.resolve().parent if own else Path.cwd()
    except OSError:  # such as a folder that is gone
        return Path()


@lru_cache(maxsize=8)
def _commit(folder: Path) -> dict[str, str]:
    try:
        return dict(_of_repository(folder))
    except (OSError, ValueError):
        return {}


def _of_repository(folder: Path) -> Iterator[tuple[str, str]]:
    root = next((p for p in (folder, *folder.parents) if (p / ".git").exists()), None)
    found = None if root is None else _head(root / ".git")
    if root is None or found is None:
        return
    commit, branch = found
    yield "git commit", commit[:12]
    if branch:
        yield "git branch", branch
    if changed := _changed(root):
        yield "git changes", changed


def _head(git: Path) -> tuple[str, str] | None:
    """The commit that is checked out, and its branch ("" where there is none)."""
    if git.is_file():  # of a worktree or a submodule
        git = git.parent / git.read_text("utf-8").partition("gitdir:")[2].strip()
    head = (git / "HEAD").read_text("utf-8").strip()
    reference = head.partition("ref: ")[2]
    commit = _resolved(git, reference) if reference else head
    if commit is None or not _HASH.fullmatch(commit):
        return None
    return commit, reference.removeprefix("refs/heads/")


def _resolved(git: Path, reference: str) -> str | None:
    shared = git / "commondir"
    common = git / shared.read_text("utf-8").strip() if shared.is_file() else git
    for place in (git / reference, common / reference):
        if place.is_file():
            return place.read_text("utf-8").strip()
    packed = common / "packed-refs"
    lines = packed.read_text("utf-8").splitlines() if packed.is_file() else []
    return next((line.split(" ")[0] for line in lines if line.endswith(f" {reference}")), None)


def _changed(root: Path) -> str:
    """Whether files that git knows differ from the commit, "" where git does not say so in time."""
    calm = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
    words = ("git", "-c", "core.fsmonitor=false", "status", "--porcelain", "-uno")
    try:
        done = subprocess.run(  # noqa: S603  (git, as the user would call it)
            words,
            cwd=root,
            env={**os.environ, **calm},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    if done.returncode:
        return ""
    return "files were changed" if done.stdout.strip() else "none"
