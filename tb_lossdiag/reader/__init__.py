"""From TensorBoard's data provider to runs: the one way in for the plugin and the command line."""

from tb_lossdiag.reader.bounds import DAMAGED
from tb_lossdiag.reader.folder import open_folder, scalar_limit
from tb_lossdiag.reader.names import run_names
from tb_lossdiag.reader.reader import Listing, Reader
from tb_lossdiag.reader.scalars import DEFAULT_LIMIT, Scalars
from tb_lossdiag.reader.tails import with_tails

__all__ = [
    "DAMAGED",
    "DEFAULT_LIMIT",
    "Listing",
    "Reader",
    "Scalars",
    "open_folder",
    "run_names",
    "scalar_limit",
    "with_tails",
]
