"""Loss Doctor: says what is wrong with a PyTorch training, from the records it leaves in TensorBoard's event files.

`SummaryWriter` records; the tab of the TensorBoard plugin and `tb-lossdiag check` judge. Importing this package does not import
torch: a machine that only looks at runs needs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tb_lossdiag.writer import SummaryWriter

__all__ = ["SummaryWriter", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the writer, and torch with it, only when it is asked for."""
    if name != "SummaryWriter":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from tb_lossdiag.writer import SummaryWriter  # noqa: PLC0415

    return SummaryWriter
