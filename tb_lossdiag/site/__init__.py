"""The tab without a server: a folder that opens from a disk or any web host, every view working.

In reading order:

- `export`: writes the folder
- `questions`: what the page may ask, and in which file the answer lies
- `shell`: the one HTML file, which holds the page itself: a browser loads no modules from a disk
- `replay.js`: answers the page's requests from those files
"""

from tb_lossdiag.site.export import export

__all__ = ["export"]
