"""The few words of reports that belong to no rule, in the languages of the tab."""

from __future__ import annotations

from collections.abc import Mapping

from tb_lossdiag.rules.rule import Text

_WORDS: Mapping[str, Text] = {
    "error": Text("error", "错误"),
    "warning": Text("warning", "警告"),
    "info": Text("info", "提示"),
    "healthy": Text("healthy", "健康"),
    "too early": Text("too early", "为时过早"),
    "unreadable": Text("unreadable", "无法读取"),
    "findings": Text("findings", "有发现"),
    "clear": Text("clear", "正常"),
    "not evaluated": Text("not evaluated", "未评估"),
    "failed": Text("failed", "出错"),
    "length": Text("{count} steps", "{count} 步"),
    "rules": Text("rules: {counts}", "规则：{counts}"),
    "step": Text("step {first}", "第 {first} 步"),
    "steps": Text("steps {first} to {last}", "第 {first} 到 {last} 步"),
    "threshold": Text(" (threshold {value})", "（阈值 {value}）"),
    "it explains": Text("It explains:", "由此引起："),
    "explains": Text("explains", "由此引起"),
    "quantity": Text("quantity", "量"),
    "column": Text("column", "列"),
    "at": Text("steps", "步"),
    "observed": Text("observed", "观测值"),
    "bound": Text("threshold", "阈值"),
    "not evaluated here": Text("Not evaluated:", "未评估："),
    "accepted": Text(
        "accepted: {code} {message} Reason: {reason}", "已接受：{code} {message} 理由：{reason}"
    ),
    "accepted here": Text("Accepted:", "已接受："),
    "known": Text("in the baseline", "已在基线中"),
    "from scalars": Text(
        "read from plain scalars ({scalars}); record with tb_lossdiag.SummaryWriter for gradients, clipping and updates",
        "读自普通标量（{scalars}）；用 tb_lossdiag.SummaryWriter 记录可得到梯度、裁剪和更新",
    ),
    "live": Text("reported live: {moments}", "训练中报告：{moments}"),
    "live appeared": Text("at step {step}", "第 {step} 步"),
    "live cleared": Text("cleared at step {step}", "第 {step} 步消失"),
    "list": Text(", ", "，"),
    "live past": Text("Reported live, no longer found:", "训练中报告过，现已不再发现："),
    "thinned": Text(
        "TensorBoard kept only a sample of: {names}", "TensorBoard 只保留了部分样本：{names}"
    ),
    "damaged": Text(
        "Left out, because they are not what was written (damaged on disk or on the way): at least {count} records",
        "因与写入时不符（在磁盘上或传输中损坏）而略去：至少 {count} 条记录",
    ),
    "nothing new": Text("nothing", "无"),
    "comparison": Text("{a} compared with {b}", "{a} 与 {b} 的比较"),
    "fixed": Text("Fixed", "已解决"),
    "new": Text("New", "新出现"),
    "still": Text("Still there", "仍然存在"),
    "unclear": Text("Judged in only one of them", "只在其中之一得到评估"),
    "curves": Text("Where the curves part", "曲线在何处分开"),
    "facts": Text("What differs", "有何不同"),
    "part at": Text("at step {step}: {a} and {b}", "第 {step} 步：{a} 与 {b}"),
    "together": Text("not beyond noise", "未超出噪声"),
    "identical": Text("identical", "完全相同"),
    "more": Text("and {count} more columns part later", "另有 {count} 列在之后分开"),
}


def word(name: str, language: str, **values: object) -> str:
    """A word or short sentence.

    >>> word("steps", "zh-CN", first=1, last=2)
    '第 1 到 2 步'
    """
    text = _WORDS[name].in_language(language)
    return text.format(**values) if values else text
