"""Judging while the training runs: the rules of the tab, over what goes into the event file, as it goes there."""

from tb_lossdiag.live.live import Live
from tb_lossdiag.live.report import LiveFinding, TrainingStopped

__all__ = ["Live", "LiveFinding", "TrainingStopped"]
