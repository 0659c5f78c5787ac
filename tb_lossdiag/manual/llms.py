"""`llms.txt`: what programs that read sites are told there is, one line each."""

from __future__ import annotations

from collections.abc import Iterator

from tb_lossdiag.config import all_rules
from tb_lossdiag.manual.contents import CHAPTERS, RULES_PAGE, address, of_rule
from tb_lossdiag.manual.pages import title
from tb_lossdiag.visible import flat

_HEAD = """# Loss Doctor

> Says what is wrong with a PyTorch training, and what to do: from the gradients, losses, clips and updates that its SummaryWriter records, or from
> the plain scalars of any TensorBoard log. Command line, Python, a tab in TensorBoard, and an MCP server.

- Record: `import tb_lossdiag; tb_lossdiag.watch(model, optimizer, "runs/a")`, or `tb-lossdiag run train.py` without a change of the script
- Judge: `tb-lossdiag check runs --format json`; exit code 0 nothing at or above the level, 1 findings, 2 could not run, 3 no loss to judge
- A rule: `tb-lossdiag explain LD302`; two runs: `tb-lossdiag compare runs before after`; for agents: `tb-lossdiag mcp runs`
"""


def llms() -> str:
    """The file."""
    return "\n".join((_HEAD, *_pages(), "## Rules", "", *_rules())) + "\n"


def _pages() -> Iterator[str]:
    for chapter, pages in CHAPTERS.values():
        yield f"## {chapter.in_language('en')}\n"
        for name in pages:
            told = "Every rule in a table" if name == RULES_PAGE else title(name, "en")
            yield f"- [{told}]({address(name, 'en')})"
        yield ""


def _rules() -> Iterator[str]:
    for rule in all_rules():
        says = flat(rule.title.in_language("en"))
        yield f"- [{rule.code} {flat(rule.name)}]({address(of_rule(rule.code), 'en')}): {says}"
