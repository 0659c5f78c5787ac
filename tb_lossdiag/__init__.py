"""Loss Doctor: says what is wrong with a PyTorch training, from the records it leaves in TensorBoard's event files.

`SummaryWriter` records; the tab of the TensorBoard plugin and `tb-lossdiag check` judge. Importing this package does not import
torch: a machine that only looks at runs needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tb_lossdiag.integrations.plain import watch
    from tb_lossdiag.live import LiveFinding, TrainingStopped
    from tb_lossdiag.writer import SummaryWriter

__all__ = ["LiveFinding", "SummaryWriter", "TrainingStopped", "__version__", "watch"]
_HOME = {
    "SummaryWriter": "writer",
    "LiveFinding": "live",
    "TrainingStopped": "live",
    "watch": "integrations.plain",
}
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the writer, and torch with it, only when it is asked for."""
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"tb_lossdiag.{_HOME[name]}"), name)
