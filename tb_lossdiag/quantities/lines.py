"""Where in the script something is done: words of a run's facts."""

from __future__ import annotations

LOSS_LINES = "loss_lines"
"""Of each loss call, by its column: "cross_entropy at train.py:12; mse_loss at train.py:14"."""
CLIP_LINE = "clip_line"
"""Of the clip: "train.py:15"."""
STEP_LINE = "step_line"
"""Of the optimizer's step."""
ASLEEP_PARTS = "asleep_parts"
"""No line, but names: of parts of a model that are trained while they are in eval(), "trunk; neck"."""
LINES = "; "
"""Between two of them."""
