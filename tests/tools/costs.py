"""What recording costs, as a table: `python -m tools.costs` in `tests/` writes it into the README and the manual's pages.

The numbers are `tests/benchmark/measured.json`, which `watch.py --save` and `peers.py --save` note, on a machine that does nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "tb_lossdiag" / "manual"
PAGES = {
    ROOT / "README.md": "en",
    MANUAL / "en" / "costs.md": "en",
    MANUAL / "zh-CN" / "costs.md": "zh-CN",
}
MEASURED = ROOT / "tests" / "benchmark" / "measured.json"
Known = Mapping[str, Mapping[str, Any]]
OURS = "watch, loss"
WAYS = {
    OURS: ("`watch`: all gradients and the loss", "`watch`：所有梯度与损失"),
    "defaults": ("`watch` at its defaults: check-ups, too", "`watch`，默认设置：另有抽查"),
    "one pass": (
        "one pass over the gradients, nothing recorded",
        "只把梯度读一遍，什么也不记录",
    ),
    "torch's clip": (
        "torch's own `clip_grad_norm_`, for comparison",
        "作为对照：torch 自己的 `clip_grad_norm_`",
    ),
    "trackio, norms": ("trackio, a dictionary of all norms", "trackio，所有范数的字典"),
    "naive .item() loop": (
        "a loop of `norm().item()` and `add_scalar`",
        "`norm().item()` 加 `add_scalar` 的循环",
    ),
    "Lightning grad_norm": (
        "Lightning's `grad_norm`, logged",
        "Lightning 的 `grad_norm`，写入日志",
    ),
    "torchmortem": ("torchmortem", "torchmortem"),
    "wandb.watch, offline": (
        "`wandb.watch`, offline, `log_freq=1`",
        "`wandb.watch`，离线，`log_freq=1`",
    ),
    "add_histogram": ("`add_histogram` of every gradient", "对每个梯度 `add_histogram`"),
}
_HEADS = (
    "| every step observed | MLP, 6 tensors, {a} | transformer, 148 tensors, {b} |",
    "| 观察每一步 | MLP，6 个张量，{a} | transformer，148 个张量，{b} |",
)
_WITHIN = ("within noise", "在噪声之内")
_NONE = "–"


def table(known: Known, language: str) -> str:
    """In Markdown, of what is known of the workloads A and B."""
    place = 0 if language == "en" else 1
    columns = known["A"], known["B"]
    steps = [_step(column[OURS]["bare_ms"]) for column in columns]
    head = _HEADS[place].format(a=steps[0], b=steps[1])
    return "\n".join([head, "|---|---|---|", *_rows(columns, place)])


def _rows(columns: tuple[Mapping[str, Any], ...], place: int) -> Iterator[str]:
    measured = {*columns[0], *columns[1]}
    for way, names in ((way, names) for way, names in WAYS.items() if way in measured):
        cells = (_added(column[way], place) if way in column else _NONE for column in columns)
        yield f"| {names[place]} | {' | '.join(cells)} |"


def _added(cost: Mapping[str, float], place: int) -> str:
    share = 100 * cost["share"]
    if abs(cost["share"]) < cost["noise"]:
        return _WITHIN[place]
    return f"{share:+,.0f} %" if abs(share) >= 10 else f"{share:+.1f} %"


def _step(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds / 1e3:.2f} s"


def replaced(text: str, known: Known, language: str) -> str:
    """A page with this table in place of the one that it has."""
    begin = text.index(_HEADS[0 if language == "en" else 1].partition("{")[0])
    end = text.index("\n\n", begin)
    return text[:begin] + table(known, language) + text[end:]


def main() -> None:
    """Write it, if anything was measured."""
    known = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
    for page, language in PAGES.items() if known else ():
        page.write_text(replaced(page.read_text("utf-8"), known, language), "utf-8")


if __name__ == "__main__":
    main()
