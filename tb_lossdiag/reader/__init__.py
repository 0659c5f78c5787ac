"""From TensorBoard's data provider to runs: the one way in for the plugin and the command line."""

from tb_lossdiag.reader.folder import open_folder
from tb_lossdiag.reader.reader import Listing, Reader

__all__ = ["Listing", "Reader", "open_folder"]
