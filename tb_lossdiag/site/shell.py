"""The one HTML file, which holds the page itself: a browser loads no modules from a disk."""

from __future__ import annotations

import base64
import json
from importlib.resources import files

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Loss Doctor</title>
<link rel="icon" href="data:,">
<script type="importmap">{imports}</script>
</head>
<body>
<noscript>This page needs JavaScript.</noscript>
<script src="replay.js"></script>
<script src="data/main.js"></script>
<script type="module">import {{ render }} from "app"; render();</script>
</body>
</html>
"""


def page() -> str:
    """Names stand for the scripts, since addresses cannot be imported from a disk."""
    app = _static("app.js")
    for quote in "\"'`":
        app = app.replace(f"{quote}./vendor.js{quote}", '"vendor"')
    scripts = {"app": app, "vendor": _static("vendor.js")}
    imports = json.dumps({"imports": {name: _address(text) for name, text in scripts.items()}})
    return _PAGE.format(imports=imports)


def replay() -> str:
    """What answers the page's requests."""
    return files("tb_lossdiag.site").joinpath("replay.js").read_text("utf-8")


def _static(name: str) -> str:
    return files("tb_lossdiag.plugin").joinpath("static", name).read_text("utf-8")


def _address(script: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(script.encode()).decode()}"
