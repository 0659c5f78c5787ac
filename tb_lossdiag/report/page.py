"""The diagnosis as one HTML file to hand round: it loads nothing, runs nothing, and prints."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tb_lossdiag.report.findings import steps, worst
from tb_lossdiag.report.markdown import markdown
from tb_lossdiag.report.plain import plain
from tb_lossdiag.report.words import word

Json = Mapping[str, Any]

_WORST_FIRST = (
    "broken",
    "warning",
    "unreadable",
    "too little recorded",
    "too early",
    "nothing found",
    "healthy",
)
_OUTSIDE = ("html_inline", "html_block", "image", "link", "autolink")
"""What names from elsewhere must not make a page do: run, load, lead somewhere."""
_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881;
  --error: light-dark(#c5221f, #ff8f88); --warning: light-dark(#9a5b00, #ffb74d); }
body { font: 15px/1.5 system-ui, "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; min-width: 4.6em; }
@media (max-width: 40rem) { body { margin: .5rem auto; padding: 0 .5rem; } th, td { padding: .2rem .3rem; } table { font-size: .85em; } }
pre { background: var(--soft); padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere; }
code { font-family: ui-monospace, Menlo, Consolas, "Noto Sans Mono CJK SC", monospace; font-size: .9em; }
h1 { font-size: 1.5rem; } article h1 { font-size: 1.2rem; border-top: 2px solid var(--line); padding-top: 1rem; }
a { color: light-dark(#0b57d0, #a8c7fa); }
h2 { font-size: 1.05rem; } .broken, .error { color: var(--error); } .warning { color: var(--warning); }
@media print { body { margin: 0; max-width: none; } article { break-inside: auto; } h1, h2 { break-after: avoid; } pre, tr { break-inside: avoid; } }
"""


def page(runs: Iterable[Json], language: str = "en") -> str:
    """A table of all runs, the worst first, and then each of them."""
    ordered = sorted(map(plain, runs), key=_rank)
    articles = (_article(place, run, language) for place, run in enumerate(ordered))
    body = "\n".join([*_summary(ordered, language), *articles])
    title = word("report", language)
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )


def _rank(run: Json) -> tuple[int, str]:
    return _WORST_FIRST.index(run["status"]), run["run"]


def _summary(runs: Sequence[Json], language: str) -> Iterator[str]:
    names = ("run", "state", "length of run", "findings", "at")
    yield (
        "<table>\n<thead><tr>"
        + "".join(f'<th scope="col">{word(name, language)}</th>' for name in names)
        + "</tr></thead>\n<tbody>"
    )
    for place, run in enumerate(runs):
        yield from _rows(place, run, language)
    yield "</tbody>\n</table>"


def _rows(place: int, run: Json, language: str) -> Iterator[str]:
    """A row per cause; the first one says the run."""
    causes: Sequence[Json] = run["findings"] or ({},)
    for at, cause in enumerate(causes):
        first = at == 0
        name = f'<a href="#run{place}">{html.escape(run["run"])}</a>' if first else ""
        state = word(run["status"], language) if first else ""
        count = str(run["steps"]) if first else ""
        grade = worst(cause) if cause else ""
        what = f"{cause['code']} {html.escape(cause['title'])}" if cause else "–"
        where = steps(cause, language) if cause else "–"
        yield (
            f'<tr><th scope="row">{name}</th><td class="{run["status"].split()[0]}">{state}</td>'
            f'<td>{count}</td><td class="{grade}">{what}</td><td>{where}</td></tr>'
        )


def _article(place: int, run: Json, language: str) -> str:
    return f'<article id="run{place}">\n{_rendered(markdown([run], language))}</article>'


def _rendered(text: str) -> str:
    from markdown_it import MarkdownIt  # noqa: PLC0415  (a report in another format does without)

    renderer = MarkdownIt("commonmark", {"html": False}).enable("table").disable(list(_OUTSIDE))
    rendered: str = renderer.render(text)
    return rendered
