"""What was measured last: `measured.json`, of which the READMEs and the manual make their tables."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from benchmark.toggled import Cost

PLACE = Path(__file__).with_name("measured.json")


def note(letter: str, way: str, cost: Cost) -> None:
    """Put a median there."""
    known = json.loads(PLACE.read_text("utf-8")) if PLACE.exists() else {}
    known.setdefault(letter, {})[way] = {
        "share": round(cost.share, 4),
        "bare_ms": round(1e3 * statistics.median(cost.bare), 3),
        "rounds": len(cost.added),
        "noise": round(cost.noise, 4),
    }
    PLACE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
