"""Judging while the training runs: the rules of the tab, over what goes into the event file, as it goes there.

In reading order:

- `live`: judges a run while it is recorded and says what appears and what clears
- `pace`: when to judge: after enough records, and never so often that it costs more than a small share of the time
- `memory`: the tables of a run that is being recorded, grown by what goes to its event file
- `frame_buffer`: a frame's records in one array that grows, so that tables are views and a record costs its own size
- `report`: what is said while the training runs
- `hearers`: who hears of findings: what `on_finding` may be
- `services`: where else findings go than to a function or the terminal
"""

from tb_lossdiag.live.live import Live
from tb_lossdiag.live.report import LiveFinding, TrainingStopped
from tb_lossdiag.live.services.webhook import Webhook

__all__ = ["Live", "LiveFinding", "TrainingStopped", "Webhook"]
