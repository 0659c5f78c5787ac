"""The manual: the pages of the documentation site, which are also in the package, for machines that reach no site.

`en/` and `zh-CN/` hold the same pages in Markdown; a page per rule is made from the rule itself. `docs/` makes the site of both.

In reading order:

- `contents`: which pages there are, in which order, and who is meant by a word
- `pages`: a page's Markdown, in either language
- `hypertext`: a page as HTML that needs nothing from elsewhere
- `llms`: `llms.txt`: what programs that read sites are told there is
- `copy`: all pages as files that a browser opens
"""

from tb_lossdiag.manual.contents import CHAPTERS, HOME, RULES_PAGE, address, meant, names
from tb_lossdiag.manual.copy import written
from tb_lossdiag.manual.hypertext import hypertext
from tb_lossdiag.manual.llms import llms
from tb_lossdiag.manual.pages import markdown, title

__all__ = [
    "CHAPTERS",
    "HOME",
    "RULES_PAGE",
    "address",
    "hypertext",
    "llms",
    "markdown",
    "meant",
    "names",
    "title",
    "written",
]
