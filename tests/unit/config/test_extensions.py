"""Real distributions on the path: what importlib.metadata finds is what an installed package gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tb_lossdiag import SummaryWriter
from tb_lossdiag.cli import main
from tb_lossdiag.config import Pattern, Threshold, all_rules, chosen, extensions, find
from tb_lossdiag.config.extensions import failures, unfit
from tb_lossdiag.diagnosis.engine import Verdict
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.rules import RULES
from tb_lossdiag.testing import findings, outcome, run_of

GOOD = '''
from dataclasses import dataclass
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.diagnosis.rule import Evidence, Finding, Severity, Text

@dataclass(frozen=True)
class HighLoss:
    """The loss ends high."""

    code = "ACME101"
    name = "high-loss"
    severity = Severity.WARNING
    title = Text("The loss ends high")
    reads = (LOSS,)
    may_read = ()
    explains = ()

    max_loss: float = 1.0

    def check(self, run):
        last = float(run[LOSS].values[-1, 0])
        if last > self.max_loss:
            step = int(run[LOSS].steps[-1])
            text = Text(f"The loss ends at {last}.")
            yield Finding(self.code, self.severity, "", (Evidence("loss", "", step, step),), text, text)
'''


Install = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution with a module and entry points on the path."""

    def put(name: str, source: str, value: str) -> None:
        folder = tmp_path / name
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{name}.py").write_text(source, "utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[tb_lossdiag.rules]\n{name} = {name}{value}\n")
        monkeypatch.syspath_prepend(str(folder))
        all_rules.cache_clear()

    yield put
    all_rules.cache_clear()


def test_without_extensions_there_are_the_built_in_rules() -> None:
    assert all_rules()[: len(RULES)] == RULES


@pytest.mark.parametrize(
    "value",
    [":HighLoss", ":RULES", ":rules"],
    ids=["class", "tuple", "function"],
)
def test_rules_of_another_package_judge_like_ours(install: Install, value: str) -> None:
    name = f"acme_{value[1:].lower()}_{value[1:3].swapcase().lower()}x"
    source = f"{GOOD}\nRULES = (HighLoss(),)\ndef rules():\n    return [HighLoss]\n"
    install(name, source, value)
    rule = find("ACME101")
    assert find("high-loss") is rule
    assert not failures()
    assert findings(rule, run_of({LOSS: [3.0, 2.0]}))
    (changed,) = chosen([Pattern("ACME")], (), [Threshold.option("ACME101.max_loss=5")])
    assert not findings(changed, run_of({LOSS: [3.0, 2.0]}))


def test_an_import_that_never_ends_is_given_up(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extensions, "SECONDS", 0.5)
    install("acme_endless", "while True:\n    pass", ":x")
    (failure,) = failures()
    assert "took longer than 0.5 s" in failure


def test_a_rule_may_refuse_a_threshold(install: Install) -> None:
    picky = "    def __post_init__(self):\n        if self.max_loss > 2:\n            raise TypeError('too high')\n"
    install("acme_picky", GOOD.replace("    def check", f"{picky}\n    def check"), ":HighLoss")
    with pytest.raises(ValueError, match=r"ACME101 refuses it: TypeError: too high"):
        chosen((), (), [Threshold.option("ACME101.max_loss=3")])


def test_what_a_rule_prints_is_not_in_the_report(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loud = GOOD.replace(
        "    def check(self, run):", "    def check(self, run):\n        print('judging')"
    )
    install("acme_loud", f"print('importing')\n{loud}", ":HighLoss")
    with SummaryWriter(tmp_path / "runs") as writer:
        writer.add_diagnostics(loss=3.0, global_step=0)
    main(["check", str(tmp_path / "runs"), "--format", "json", "--no-config"])
    said = capsys.readouterr()
    codes = [f["code"] for f in json.loads(said.out)["runs"][0]["findings"]]
    assert "ACME101" in codes
    assert {"importing", "judging"} <= set(said.err.split())


def test_explain_knows_them(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("acme_explained", GOOD, ":HighLoss")
    assert main(["explain", "ACME101", "--lang", "zh-CN"]) == 0
    assert "The loss ends high" in capsys.readouterr().out
    assert main(["rules"]) == 0
    assert "ACME101" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "source", "value", "says"),
    [
        ("acme_raises", "raise RuntimeError('oops')", ":x", "oops"),
        ("acme_exits", "raise SystemExit(3)", ":x", "SystemExit"),
        ("acme_absent", "", ":nothing", "nothing"),
        ("acme_number", "x = 3", ":x", "int"),
        ("acme_shape", "class R:\n    code = 'ACME1'", ":R", "lacks name"),
        ("acme_plain", GOOD.replace("@dataclass(frozen=True)\n", ""), ":HighLoss", "dataclass"),
        ("acme_code", GOOD.replace("ACME101", "acme"), ":HighLoss", "three digits"),
        ("acme_taken", GOOD.replace("ACME101", "LD101"), ":HighLoss", "taken"),
        (
            "acme_circle",
            GOOD.replace("explains = ()", "explains = ('ACME101',)"),
            ":HighLoss",
            "itself",
        ),
        ("acme_words", GOOD.replace("float = 1.0", "str = 'a'"), ":HighLoss", "no number"),
        ("acme_level", GOOD.replace("Severity.WARNING", "'bad'"), ":HighLoss", "a Severity"),
        (
            "acme_title",
            GOOD.replace('Text("The loss ends high")', "'x'"),
            ":HighLoss",
            "Text",
        ),
        (
            "acme_reads",
            GOOD.replace("reads = (LOSS,)", "reads = ['loss']"),
            ":HighLoss",
            "quantities",
        ),
        (
            "acme_explains",
            GOOD.replace("explains = ()", "explains = None"),
            ":HighLoss",
            "a tuple of codes",
        ),
        (
            "acme_name",
            GOOD.replace("'high-loss'", "3").replace('"high-loss"', "3"),
            ":HighLoss",
            "a str",
        ),
        (
            "acme_part",
            GOOD.replace("may_read = ()", "may_read = property(lambda _: 1 / 0)"),
            ":HighLoss",
            "Zero",
        ),
        (
            "acme_many",
            f"import itertools\n{GOOD}\nmany = itertools.repeat(HighLoss())",
            ":many",
            "taken",
        ),
        ("acme_silent", "class E(Exception):\n    __str__ = None\nraise E", ":x", "cannot be read"),
    ],
)
def test_what_is_broken_is_an_outcome_and_no_crash(
    install: Install, name: str, source: str, value: str, says: str
) -> None:
    install(name, source, value)
    (failure,) = failures()
    assert name in failure
    assert says in failure
    rules = all_rules()
    assert len(rules) == len(RULES) + 1
    result = outcome(rules[-1], run_of({LOSS: [1.0]}))
    assert result.verdict is Verdict.FAILED
    assert result.reason is not None
    assert says in result.reason.en


def test_a_class_is_no_rule_until_an_instance_is_made() -> None:
    assert "LossSpike is a class: give an instance" in unfit(type(find("loss-spike")))
    assert unfit(find("loss-spike")) == ""


def test_a_chain_of_explanations_may_meet_again_but_not_come_back(install: Install) -> None:
    """Both its symptoms lead to the same third one; only a way back to itself is a circle."""
    chain = GOOD.replace("explains = ()", "explains = ('ACME102', 'ACME103')")
    second = GOOD.replace("ACME101", "ACME102").replace("HighLoss", "Second")
    third = GOOD.replace("ACME101", "ACME103").replace("HighLoss", "Third")
    meets = second.replace("explains = ()", "explains = ('ACME103',)")
    install("acme_chain", f"{meets}{third}{chain}\nRULES = [Second, Third, HighLoss]", ":RULES")
    assert not failures()
    circle = third.replace("explains = ()", "explains = ('ACME101',)")
    install("acme_ring", f"{meets}{circle}{chain}\nRULES = [Second, Third, HighLoss]", ":RULES")
    assert any("explains itself" in failure or "taken" in failure for failure in failures())


def test_an_interrupt_while_a_package_is_loaded_is_passed_on(install: Install) -> None:
    install("acme_interrupts", "raise KeyboardInterrupt", ":x")
    with pytest.raises(KeyboardInterrupt):
        all_rules()


@pytest.mark.parametrize("name", ["LD999", "no-such-rule"])
def test_a_name_of_no_rule_is_told_the_codes(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}.*LD101"):
        find(name)
