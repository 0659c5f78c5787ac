"""What a user may decide: which rules judge, with which thresholds, what is accepted, which scalars mean what.

In reading order:

- `settings`: the settings of a configuration file, checked: a misspelt key is an error, never ignored
- `files`: finds and reads the configuration: `lossdiag.toml`, or the table `[tool.lossdiag]` or `[lossdiag]` of a `pyproject.toml`
- `pattern`: rules that somebody names, by a code, the beginning of one or a name, and who says so
- `selection`: which rules judge, and with which thresholds
- `threshold`: a threshold that somebody changed: a number, of which rule, and who says so
- `extensions`: rules of other packages, found through the entry-point group `tb_lossdiag.rules`
- `suppression`: findings that somebody has looked at and accepted: taken out of the verdict, kept in the record with the reason
- `policy`: how runs are judged here: rules with their thresholds, and what is accepted
"""

from tb_lossdiag.config.extensions import all_rules
from tb_lossdiag.config.files import discover, load
from tb_lossdiag.config.pattern import Pattern
from tb_lossdiag.config.policy import Policy
from tb_lossdiag.config.selection import chosen, find
from tb_lossdiag.config.settings import LANGUAGES, LEVELS, Settings
from tb_lossdiag.config.suppression import Suppression
from tb_lossdiag.config.threshold import Threshold

__all__ = [
    "LANGUAGES",
    "LEVELS",
    "Pattern",
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
