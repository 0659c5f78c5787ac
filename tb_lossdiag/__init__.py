"""Loss Doctor: says what is wrong with a PyTorch training, from the records it leaves in TensorBoard's event files.

`SummaryWriter` records; the tab of the TensorBoard plugin, `tb-lossdiag check` and `diagnose` judge. Importing this package does not import
torch: a machine that only looks at runs needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tb_lossdiag.checking.comparison import Comparison, compare
    from tb_lossdiag.checking.found import JudgedRun, ReportedFinding
    from tb_lossdiag.checking.report import Report, diagnose
    from tb_lossdiag.integrations.plain import watch
    from tb_lossdiag.live import LiveFinding, TrainingStopped, Webhook
    from tb_lossdiag.writer import SummaryWriter

__all__ = [
    "Comparison",
    "JudgedRun",
    "LiveFinding",
    "Report",
    "ReportedFinding",
    "SummaryWriter",
    "TrainingStopped",
    "Webhook",
    "__version__",
    "compare",
    "diagnose",
    "watch",
]
_HOME = {
    "SummaryWriter": "writer",
    "LiveFinding": "live",
    "TrainingStopped": "live",
    "Webhook": "live",
    "watch": "integrations.plain",
    "Comparison": "checking.comparison",
    "compare": "checking.comparison",
    "JudgedRun": "checking.found",
    "ReportedFinding": "checking.found",
    "Report": "checking.report",
    "diagnose": "checking.report",
}
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: torch comes with the writer, TensorBoard with `diagnose`."""
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"tb_lossdiag.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """The public names, whether they have been asked for or not."""
    return sorted(__all__)
