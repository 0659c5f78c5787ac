"""SIGTERM loses nothing, and goes where it would have gone without us."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from torch import nn
from torch.optim import SGD
from torture.child import script, started

from helpers.tiny_trainings import backward, read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.process import sigterm
from tb_lossdiag.quantities import LOSS
from tb_lossdiag.wire.leftover import is_tail

BEGIN = """
import os, signal, sys, threading, time
from tb_lossdiag import SummaryWriter
folder = sys.argv[1]
def log(writer, step):
    writer.add_diagnostics(loss=float(step), global_step=step)
def open_writer(window=1000):
    writer = SummaryWriter(folder)
    writer._recorder.cadence.window = window
    return writer
"""
LOOP = """
writer = open_writer(int(sys.argv[2]))
done = open(sys.argv[3], "w", buffering=1)
for step in range(10**6):
    log(writer, step)
    print(step, file=done)
    time.sleep(0.001)
"""


def newest(folder: Path) -> int:
    return int(read(folder)[LOSS].steps[-1])


def tails(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if is_tail(path.name)]


@pytest.mark.parametrize("window", [1, 7, 1000])
def test_a_process_dies_of_it_and_loses_nothing(tmp_path: Path, window: int) -> None:
    wait = random.Random(window)  # noqa: S311
    for index in range(2):
        folder, said = tmp_path / f"run{index}", tmp_path / f"done{index}"
        with started(BEGIN + LOOP, folder, window, said) as process:
            _until(lambda said=said: said.exists() and said.stat().st_size > 10)
            time.sleep(wait.uniform(0, 0.5))
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == -signal.SIGTERM
        done = int(said.read_text().split("\n")[-2])
        assert newest(folder) >= done
        assert tails(folder) == []


def _until(true: object) -> None:
    end = time.monotonic() + 60
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_in_the_middle_of_our_own_code_it_waits(tmp_path: Path) -> None:
    source = """
writer = open_writer()
from tb_lossdiag.recording.recorder import Recorder
advance = Recorder.advance
def interrupted(self, until):
    if until == 99:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
    advance(self, until)
Recorder.advance = interrupted
for step in range(10**6):
    log(writer, step)
    time.sleep(0.001)
"""
    assert script(BEGIN + source, tmp_path).code == -signal.SIGTERM
    assert newest(tmp_path) >= 100
    assert tails(tmp_path) == []


def test_who_was_there_before_is_called_after_us_and_decides(tmp_path: Path) -> None:
    source = """
def theirs(number, frame):
    print("theirs", number, flush=True)
signal.signal(signal.SIGTERM, theirs)
writer = open_writer()
log(writer, 0); log(writer, 1)
os.kill(os.getpid(), signal.SIGTERM)
print("alive", flush=True)
log(writer, 2)
writer.close()
print(signal.getsignal(signal.SIGTERM) is theirs)
"""
    ended = script(BEGIN + source, tmp_path)
    assert (ended.code, ended.out.split()) == (0, ["theirs", "15", "alive", "True"]), ended.err
    assert newest(tmp_path) == 2
    assert tails(tmp_path) == []


def test_what_theirs_raises_is_raised(tmp_path: Path) -> None:
    source = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
writer = open_writer()
log(writer, 0); log(writer, 1)
os.kill(os.getpid(), signal.SIGTERM)
"""
    assert script(BEGIN + source, tmp_path).code == 7
    assert newest(tmp_path) == 1


def test_who_came_after_us_and_calls_us_decides(tmp_path: Path) -> None:
    """Lightning's way: its own handler and then what was there; the process must not die in between."""
    source = """
writer = open_writer()
ours = signal.getsignal(signal.SIGTERM)
def composed(number, frame):
    ours(number, frame)
    print("graceful", flush=True)
signal.signal(signal.SIGTERM, composed)
log(writer, 0); log(writer, 1)
os.kill(os.getpid(), signal.SIGTERM)
second = SummaryWriter(folder + "/second")
second.add_diagnostics(loss=1.0, global_step=0)
os.kill(os.getpid(), signal.SIGTERM)
writer.close(); second.close()
print(signal.getsignal(signal.SIGTERM) is composed)
os._exit(0)
"""
    ended = script(BEGIN + source, tmp_path)
    assert (ended.code, ended.out.split()) == (0, ["graceful"] * 2 + ["True"]), ended.err


def test_who_took_our_place_and_left_again_is_followed(tmp_path: Path) -> None:
    """Lightning gives back what it found, which may be from before us."""
    source = """
writer = open_writer()
signal.signal(signal.SIGTERM, signal.SIG_DFL)
other = SummaryWriter(folder + "/other")
log(writer, 0); log(writer, 1)
os.kill(os.getpid(), signal.SIGTERM)
"""
    assert script(BEGIN + source, tmp_path).code == -signal.SIGTERM
    assert tails(tmp_path) == []


def test_a_forked_child_dies_of_it_at_once(tmp_path: Path) -> None:
    source = """
writer = open_writer()
log(writer, 0); log(writer, 1)
child = os.fork()
if not child:
    print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
log(writer, 2)
writer.close()
"""
    ended = script(BEGIN + source, tmp_path)
    assert (ended.code, ended.out.split()) == (0, ["True", "-15"]), ended.err
    assert newest(tmp_path) == 2


def test_a_disk_that_hangs_holds_nobody_up_for_ever(tmp_path: Path) -> None:
    source = """
from tb_lossdiag.process import sigterm
sigterm._PATIENCE = 0.5
writer = open_writer()
log(writer, 0); log(writer, 1)
writer._event_file.file_writer.flush = lambda: time.sleep(60)
os.kill(os.getpid(), signal.SIGTERM)
"""
    ended = script(BEGIN + source, tmp_path, limit=50)
    assert ended.code == -signal.SIGTERM
    assert newest(tmp_path) == 1


LIGHTNING = """
import os, signal, sys, warnings, logging
warnings.simplefilter("ignore"); logging.disable()
import torch, pytorch_lightning as pl
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.tensorboard import SummaryWriter as Torchs
from tb_lossdiag import SummaryWriter as Ours
folder, kind, when = sys.argv[1:]
class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer, self.writer = torch.nn.Linear(4, 1), None
        if when == "before": self.open()
    def open(self):
        self.writer = (Ours if kind == "ours" else Torchs)(folder)
    def training_step(self, batch, index):
        if self.writer is None: self.open()
        loss = self.layer(batch[0]).pow(2).mean()
        if kind == "ours": self.writer.add_diagnostics(loss=loss, global_step=index)
        if index == 5: os.kill(os.getpid(), signal.SIGTERM)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)
    def on_exception(self, error):
        print(type(error).__name__, flush=True)
trainer = pl.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
trainer.fit(Net(), DataLoader(TensorDataset(torch.randn(64, 4)), batch_size=4))
print("over", trainer.received_sigterm, trainer.global_step, flush=True)
"""


@pytest.mark.parametrize("when", ["before", "within"])
def test_lightning_ends_as_it_does_without_us(tmp_path: Path, when: str) -> None:
    ours = script(LIGHTNING, tmp_path / "ours", "ours", when)
    torchs = script(LIGHTNING, tmp_path / "torchs", "torchs", when)
    assert (ours.code, ours.out) == (torchs.code, torchs.out), ours.err
    assert newest(tmp_path / "ours") == 5


# --- in this process -----------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _theirs() -> Iterator[None]:
    for left_open in list(sigterm._writers):  # in a test of another file
        sigterm.let_go(left_open)
    before = signal.getsignal(signal.SIGTERM)
    yield
    assert signal.getsignal(signal.SIGTERM) is before
    signal.signal(signal.SIGTERM, before)


def test_the_handler_is_there_while_a_writer_is_open(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with SummaryWriter(tmp_path / "a"):
        ours = signal.getsignal(signal.SIGTERM)
        assert ours is not before
        with SummaryWriter(tmp_path / "b"):
            assert signal.getsignal(signal.SIGTERM) is ours
        assert signal.getsignal(signal.SIGTERM) is ours
    assert signal.getsignal(signal.SIGTERM) is before


def test_who_ignores_it_on_purpose_goes_on_ignoring_it(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with SummaryWriter(tmp_path):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_installs_nothing(tmp_path: Path) -> None:
    before, during = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with SummaryWriter(tmp_path):
            during.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert during == [before]


def test_a_handler_of_any_kind_may_be_there(tmp_path: Path) -> None:
    class Odd:
        """Not hashable, equal to nothing."""

        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return False

        def __call__(self, number: int, _: FrameType | None) -> None:
            called.append(number)

    called: list[int] = []
    before = signal.signal(signal.SIGTERM, Odd())
    try:
        with SummaryWriter(tmp_path) as writer:
            writer.add_diagnostics(loss=1.0, global_step=0)
            signal.raise_signal(signal.SIGTERM)
            assert read(tmp_path)[LOSS].steps.tolist() == [0]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert called == [signal.SIGTERM]


def test_a_watched_training_is_written_up_to_its_last_step(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    net = nn.Sequential(nn.Linear(4, 4))
    optimizer = SGD(net.parameters(), 0.01)
    try:
        with SummaryWriter(tmp_path) as writer:
            writer.watch(net, optimizer)
            for step in range(9):
                loss = backward(net, step)
                optimizer.step()
                writer.add_diagnostics(loss=loss, global_step=step)
            signal.raise_signal(signal.SIGTERM)
            assert newest(tmp_path) == 8
            assert tails(tmp_path) == []
    finally:
        signal.signal(signal.SIGTERM, before)
