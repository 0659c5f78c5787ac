"""What is said while a run is recorded: a rule that reads its verdict off the newest loss, 20 records per judgement."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.config import Policy
from tb_lossdiag.diagnosis.rule import Evidence, Finding, NotEnough, Rule, Severity, Text
from tb_lossdiag.live import LiveFinding, TrainingStopped
from tb_lossdiag.live.live import Live, LiveSettings
from tb_lossdiag.quantities import LOSS, LOSS_NONFINITE, Quantity
from tb_lossdiag.recording.recorder import Recorder
from tb_lossdiag.recording.windows import Cadence
from tb_lossdiag.records import Record
from tb_lossdiag.run import Run

WORDS = Text("it is\nbad")
WELL, WARNING, ERROR, UNKNOWN, BUG = 0.0, 1.0, 2.0, 3.0, 4.0


@dataclass(frozen=True)
class Newest:
    code: ClassVar[str] = "T001"
    name: ClassVar[str] = "newest"
    severity: ClassVar[Severity] = Severity.WARNING
    title: ClassVar[Text] = WORDS
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS,)
    may_read: ClassVar[tuple[Quantity, ...]] = ()
    explains: ClassVar[tuple[str, ...]] = ()
    zh: ClassVar[str] = ""

    def check(self, run: Run) -> Iterator[Finding]:
        value = float(run[LOSS].values[-1, 0])
        if value == UNKNOWN:
            raise NotEnough(WORDS)
        if value == BUG:
            raise RuntimeError("a bug")
        if value in {WARNING, ERROR}:
            yield finding(self.code, Severity(int(value)))


@dataclass(frozen=True)
class Broken(Newest):
    code: ClassVar[str] = "T002"
    reads: ClassVar[tuple[Quantity, ...]] = (LOSS, LOSS_NONFINITE)

    def check(self, run: Run) -> Iterator[Finding]:
        if run[LOSS_NONFINITE].values.any():
            yield finding(self.code, Severity.ERROR)


def finding(code: str, severity: Severity) -> Finding:
    return Finding(code, severity, "", (Evidence("loss", "", 0, 0),), WORDS, WORDS)


class Training:
    """Records losses; what was said is in `said`."""

    def __init__(
        self,
        hear: Callable[[LiveFinding], object] | None = None,
        stop: Severity | None = None,
        rules: tuple[Rule, ...] = (Newest(), Broken()),
    ) -> None:
        self.said: list[tuple[str, int, str]] = []
        self.recorder = Recorder(self._emit, lambda _: {}, Cadence())
        settings = LiveSettings(Policy(rules), hear or self._hear, stop)
        self.live = Live(
            settings, "run", Guard(self.recorder.say), self.recorder.report, clock=lambda: 0.0
        )
        self.step = 0

    def _hear(self, said: LiveFinding) -> None:
        self.said.append((said.finding.code, said.step, said.state))

    def _emit(self, values: list[Any], step: int, walltime: float) -> None:
        self.live.take(values, step, walltime)

    def record(self, value: float) -> None:
        broken = np.array([not np.isfinite(value)], np.float32)
        records = [
            Record(LOSS, ("",), np.array([value], np.float32)),
            Record(LOSS_NONFINITE, ("",), broken),
        ]
        self.recorder.take(self.step, 0.0, records)
        self.recorder.advance(self.step)
        self.step += 1

    def play(self, *values: float) -> Training:
        """20 records and a judgement per value."""
        for value in values:
            for _ in range(20):
                self.record(value)
                if (stop := self.live.judge()) is not None:
                    raise stop
        return self


def test_a_finding_is_said_once_when_it_appears_and_once_when_it_clears() -> None:
    training = Training().play(WELL, WARNING, WARNING, WARNING, WELL, WELL, WELL)
    assert training.said == [("T001", 39, "appeared"), ("T001", 119, "cleared")]


def test_one_on_the_brink_is_said_once() -> None:
    assert len(Training().play(WARNING, WELL, WARNING, WELL, WARNING).said) == 1


def test_it_is_said_again_when_it_comes_back_or_gets_worse_but_not_when_it_gets_better() -> None:
    training = Training().play(WARNING, ERROR, WARNING, WELL, WELL, WARNING)
    assert [state for _, _, state in training.said] == ["appeared"] * 2 + ["cleared", "appeared"]


@pytest.mark.parametrize("nothing", [UNKNOWN, BUG])
def test_a_rule_that_cannot_judge_clears_nothing(nothing: float) -> None:
    assert len(Training().play(WARNING, *[nothing] * 5).said) == 1


def test_nothing_is_judged_before_there_are_enough_records() -> None:
    training = Training()
    for _ in range(19):
        training.record(ERROR)
        training.live.judge()
    assert training.said == []
    training.live.last()
    assert training.said == [("T001", 18, "appeared")]
    training.live.last()
    assert len(training.said) == 1


def test_what_is_not_finite_is_judged_at_its_record() -> None:
    training = Training()
    training.record(WELL)
    training.live.judge()
    assert training.live.calm
    training.record(float("nan"))
    training.live.judge()
    assert training.said == [("T002", 1, "appeared")]
    assert not training.live.calm


@pytest.mark.parametrize(
    ("stop", "value", "stopped"),
    [
        (None, ERROR, False),
        (Severity.ERROR, WARNING, False),
        (Severity.ERROR, ERROR, True),
        (Severity.WARNING, WARNING, True),
        (Severity.WARNING, ERROR, True),
    ],
)
def test_it_stops_from_the_severity_that_was_asked(
    stop: Severity | None, value: float, stopped: bool
) -> None:
    training = Training(stop=stop)
    if not stopped:
        training.play(value)
        assert training.said
        return
    with pytest.raises(TrainingStopped, match=r"^T001 at step 19: it is bad What to") as caught:
        training.play(value)
    assert caught.value.reported is not None
    assert caught.value.reported.finding.severity == value
    assert training.said == [("T001", 19, "appeared")]
    training.play(value)  # who goes on all the same is not stopped by the same finding


def test_a_callback_may_stop_the_training() -> None:
    def hear(said: LiveFinding) -> None:
        raise TrainingStopped("enough")

    with pytest.raises(TrainingStopped, match=r"^enough$"):
        Training(hear).play(WARNING)


def test_a_callback_that_fails_is_told_once_and_the_training_goes_on() -> None:
    heard = []

    def hear(said: LiveFinding) -> None:
        heard.append(said)
        raise KeyError("mine")

    training = Training(hear)
    with pytest.warns(RuntimeWarning, match=r"live.*off.*KeyError: 'mine'"):
        training.play(WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training.play(WELL, WELL, WELL, ERROR)
        training.live.last()
    assert len(heard) == 1


def test_a_callback_that_records_does_not_judge_within_the_judgement() -> None:
    def hear(said: LiveFinding) -> None:
        heard.append(said)
        training.play(ERROR)

    heard: list[LiveFinding] = []
    training = Training(hear)
    training.play(WARNING, WELL)
    assert len(heard) == 1


def test_a_training_that_went_back_forgets_what_it_did_again() -> None:
    training = Training().play(WELL, float("nan"), WELL)
    assert [code for code, _, _ in training.said] == ["T002"]
    training.step = 20
    training.play(WELL, WELL, WELL)
    assert training.said == [("T002", 20, "appeared"), ("T002", 59, "cleared")]


def test_a_line_has_no_line_break() -> None:
    said = LiveFinding(finding("T001", Severity.ERROR), 7, "appeared")
    assert said.line() == "Loss Doctor, step 7: T001 error: it is bad"
    assert said.line("zh-CN") == "Loss Doctor，第 7 步：T001 错误：it is bad"


def test_the_configuration_beside_the_run_counts(tmp_path: Path) -> None:
    (tmp_path / "lossdiag.toml").write_text('select = ["LD101"]\nlang = "zh-CN"\n')
    settings = LiveSettings.of("print", "error", str(tmp_path))
    assert [rule.code for rule in settings.policy.rules] == ["LD101"]
    assert (settings.language, settings.stop) == ("zh-CN", Severity.ERROR)


@pytest.mark.parametrize(
    ("on_finding", "stop_on", "error", "words"),
    [
        ("say", None, ValueError, "on_finding.*print.*got 'say'"),
        (3, None, TypeError, "on_finding"),
        (None, "info", ValueError, "stop_on.*'info'"),
    ],
)
def test_arguments_are_checked(
    tmp_path: Path, on_finding: Any, stop_on: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        LiveSettings.of(on_finding, stop_on, str(tmp_path))
