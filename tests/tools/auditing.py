"""Asks the registries whether what the lock files name has known vulnerabilities: `python3 tasks.py audit`.

Only what reaches users is red: the scripts in the wheel and what the package requires. Of tools that build and test it is a word enough.
A registry that gives no answer is a message, not a verdict.
"""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
PYPI = "https://pypi.org/pypi"
SECONDS = 20
Ask = Callable[[str], Any]


class NoAnswerError(Exception):
    """A registry cannot be asked."""


@dataclass(frozen=True)
class Hole:
    """A known vulnerability.

    Attributes:
        what: has it, with the version.
        words: name of the vulnerability, and what it is.
        shipped: whether it reaches users.
    """

    what: str
    words: str
    shipped: bool

    def line(self) -> str:
        """For people."""
        return f"{'shipped' if self.shipped else 'tool'}: {self.what}: {self.words}"


def fetched(address: str) -> Any:
    """A JSON document.

    Raises:
        NoAnswerError: none comes.
    """
    try:
        with urlopen(address, timeout=SECONDS) as answer:
            return json.load(answer)
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswerError(f"{address}: {error}") from error


def pins(text: str) -> dict[str, str]:
    """Versions that a constraints file names."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))


def required(text: str) -> set[str]:
    """Names of what a `setup.cfg` requires at least."""
    config = configparser.ConfigParser()
    config.read_string(text)
    lines = config["options"]["install_requires"].split("\n")
    return {found[0] for line in lines if (found := re.match(r"[\w.-]+", line))}


def of_python(found: dict[str, str], shipped: set[str], ask: Ask = fetched) -> Iterator[Hole]:
    """What PyPI knows of these versions."""
    for name, version in found.items():
        for one in ask(f"{PYPI}/{name}/{version}/json").get("vulnerabilities", []):
            if not one.get("withdrawn"):
                words = f"{one['id']}: {one.get('summary') or one.get('details', '')[:200]}"
                yield Hole(f"{name} {version}", words, name in shipped)


def of_page(answer: dict[str, Any], lock: dict[str, Any]) -> Iterator[Hole]:
    """What `npm audit --json` said of a lock file.

    Raises:
        NoAnswerError: that it could not ask.
    """
    if "vulnerabilities" not in answer:
        raise NoAnswerError(f"npm audit: {answer.get('message') or answer}")
    for name, one in answer["vulnerabilities"].items():
        causes = [cause["title"] if isinstance(cause, dict) else cause for cause in one["via"]]
        places = [lock["packages"][node] for node in one["nodes"]]
        for place in places:
            words = f"{one['severity']}: {'; '.join(causes)}"
            yield Hole(f"{name} {place['version']}", words, not place.get("dev"))


def npm_audit() -> dict[str, Any]:
    """What npm says of the page's lock file; its exit code says the same."""
    command = [shutil.which("npm") or "npm", "audit", "--json", "--package-lock-only"]
    done = subprocess.run(
        command, cwd=ROOT / "frontend", check=False, capture_output=True, text=True
    )
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise NoAnswerError(f"npm audit: {done.stderr.strip()[-500:]}") from error
    return found


def audit(askers: dict[str, Callable[[], Iterator[Hole]]]) -> int:
    """Ask all of them and say what they know; 1 if something that is shipped has a known vulnerability."""
    red = False
    for place, asked in askers.items():
        count = 0
        try:
            for hole in asked():
                count += 1
                red |= hole.shipped
                print(hole.line())
        except NoAnswerError as error:
            print(f"{place}: not asked to the end, {error}")
        else:
            print(f"{place}: {count} known vulnerabilities")
    return int(red)


def main() -> int:
    """Audit both lock files."""
    constraints = (ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8")
    shipped = required((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text(encoding="utf-8"))
    return audit(
        {
            "tests/constraints.txt": lambda: of_python(pins(constraints), shipped),
            "frontend/package-lock.json": lambda: of_page(npm_audit(), lock),
        }
    )


if __name__ == "__main__":
    sys.exit(main())
