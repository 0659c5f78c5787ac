"""What a user may decide: which rules judge, with which thresholds, what is accepted, which scalars mean what."""

from tb_lossdiag.config.extensions import all_rules
from tb_lossdiag.config.files import discover, load
from tb_lossdiag.config.policy import Policy
from tb_lossdiag.config.selection import chosen, find
from tb_lossdiag.config.settings import Settings
from tb_lossdiag.config.suppression import Suppression
from tb_lossdiag.config.threshold import Threshold

__all__ = [
    "Policy",
    "Settings",
    "Suppression",
    "Threshold",
    "all_rules",
    "chosen",
    "discover",
    "find",
    "load",
]
