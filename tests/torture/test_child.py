"""What runs the other tests' scripts: ends them in time, and what they started."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from torture.child import script, started


def test_a_script_is_told_how_it_ended() -> None:
    ended = script("import sys; print(sys.argv[1]); sys.exit('why')", "word")
    assert (ended.code, ended.out, ended.err) == (1, "word\n", "why\n")


def test_a_script_that_dies_by_a_signal_says_which() -> None:
    assert script("import os; os.kill(os.getpid(), 9)").code == -signal.SIGKILL


def test_a_script_that_hangs_is_ended_with_what_it_has_started() -> None:
    source = "import os, time; print(os.fork(), flush=True); time.sleep(600)"
    ended = script(source, limit=2.0)
    assert ended.code is None
    children = [int(word) for word in ended.out.split() if word != "0"]
    assert len(children) == 1
    assert _gone(children[0])


def test_a_started_script_does_not_outlive_its_test() -> None:
    with started("import time; time.sleep(600)") as process:
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL


def _gone(number: int) -> bool:
    """Whether a process has ended; in a container nobody may have waited for it."""
    status = Path(f"/proc/{number}/stat")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.kill(number, 0)
            if status.read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False
