"""The disk gives out under a training: it goes on, nothing raises, and what was recorded meanwhile is there once the disk is back."""

from __future__ import annotations

import errno
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from integration.loaders import LOADERS, Open, end_servers
from tensorboard.context import RequestContext
from torch.utils.tensorboard import SummaryWriter as TorchWriter
from torture.child import script

from helpers.tiny_trainings import backward, model, read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS
from tb_lossdiag.reader import Reader
from tb_lossdiag.recording import backlog, refusals
from tb_lossdiag.recording.growing_file import LocalFile
from tb_lossdiag.run import Run
from tb_lossdiag.wire.slots import Slots

FAULTS = {
    "full": errno.ENOSPC,
    "read-only": errno.EROFS,
    "no descriptors": errno.EMFILE,
    "gone": errno.EIO,
}


class Disk:
    """All local files; `fault` is what they answer, after a few bytes of what was to be written.

    Attributes:
        fault: a number of an error, None while all is well.
        tails: whether tail files have room even so.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault: int | None = None
        self.tails = False
        plain, put = LocalFile._open, Slots._put
        monkeypatch.setattr(Slots, "_put", lambda *given: self._tail(put, *given))
        monkeypatch.setattr(refusals, "_FIRST_PAUSE", 0.01)
        monkeypatch.setattr(LocalFile, "_open", lambda file: self._opened(plain(file)))

    def _tail(self, put: Callable[..., None], *given: Any) -> None:
        if self.fault is not None and not self.tails:
            raise OSError(self.fault, "the fault")
        put(*given)

    def _opened(self, file: Any) -> Any:
        if self.fault is None:
            return file
        with file:
            file.seek(0, 2)
            file.write(b"ha")  # the beginning of what does not fit
        raise OSError(self.fault, "the fault")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def train(writer: SummaryWriter, steps: range) -> None:
    """With watched steps, losses, and scalars of the user's own."""
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    with writer.watch(net, optimizer, name=str(steps.start)):
        for step in steps:
            writer.add_diagnostics(loss=backward(net, step), global_step=step)
            writer.add_scalar("own", float(step), step)
            writer.add_scalars("several", {"a": float(step)}, step)
            optimizer.step()
    writer.flush()


def warned(work: Callable[[], None]) -> list[str]:
    """What work warns of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        work()
    return [str(warning.message) for warning in said]


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_recording_goes_on_when_the_disk_is_back(
    tmp_path: Path, disk: Disk, fault: int, loader: Open
) -> None:
    with SummaryWriter(tmp_path) as writer:
        train(writer, range(20))
        disk.fault = fault
        said = warned(lambda: train(writer, range(20, 40)))
        disk.fault = None
        train(writer, range(40, 60))
    assert sum("event file cannot be written" in text for text in said) == 1
    provider = loader(str(tmp_path))
    reader = Reader(provider)
    run = reader.read(reader.listings()["."])
    scalars = provider.list_scalars(RequestContext(), experiment_id="", plugin_name="scalars")
    end_servers()
    assert run[LOSS].steps.tolist() == list(range(60))
    assert run[GRADIENT_NORM].steps.tolist() == list(range(60))
    assert scalars["."]["own"].max_step == 59
    assert scalars["several_a"]["several"].max_step == 59
    assert "the fault" in run.facts["failed writing"]
    assert run.facts["writing again"].endswith("nothing was lost")


@pytest.mark.parametrize("strict", [False, True])
def test_a_disk_that_stays_full_costs_warnings_and_no_more(
    tmp_path: Path, disk: Disk, strict: bool
) -> None:
    with warnings.catch_warnings(record=not strict) as said:
        warnings.simplefilter("error" if strict else "always")
        with SummaryWriter(tmp_path) as writer:
            train(writer, range(20))
            disk.fault = errno.ENOSPC
            train(writer, range(20, 40))
            writer.close()
            writer.add_scalar("later", 1.0, 1)
            train(writer, range(40, 60))
    assert read_main(tmp_path)[LOSS].steps.tolist() == list(range(20))
    if said is not None:
        texts = {str(w.message) for w in said}
        assert any("waits in memory" in text for text in texts)
        assert any("not everything is in" in text for text in texts)
        assert any("is incomplete" in text for text in texts)


def test_what_the_event_file_refused_to_the_end_is_in_the_tail_file_if_that_has_room(
    tmp_path: Path, disk: Disk
) -> None:
    disk.tails = True
    writer = SummaryWriter(tmp_path)
    train(writer, range(20))
    disk.fault = errno.ENOSPC
    assert warned(lambda: train(writer, range(20, 40)))
    assert warned(writer.close)
    disk.fault = None
    assert read_main(tmp_path)[LOSS].steps.tolist() == list(range(40))
    with SummaryWriter(tmp_path) as writer:
        writer.add_diagnostics(loss=1.0, global_step=40)
    assert list(tmp_path.glob("*.tail")) == []
    assert read(tmp_path)[LOSS].steps.tolist() == list(range(41))


def test_what_follows_a_loss_can_be_read(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns and headers may be among what was lost."""
    monkeypatch.setattr(backlog, "MOST", 3000)
    with SummaryWriter(tmp_path) as writer:
        train(writer, range(20))
        disk.fault = errno.ENOSPC
        assert warned(lambda: train(writer, range(20, 60)))
        disk.fault = None
        writer.flush()
        monkeypatch.undo()
        train(writer, range(60, 80))
    run = read_main(tmp_path)
    steps = run[LOSS].steps.tolist()
    assert steps[:20] == list(range(20))
    assert steps[-20:] == list(range(60, 80))
    assert len(steps) < 80
    assert run[GRADIENT_NORM].steps.tolist()[-20:] == list(range(60, 80))
    assert run.facts["writing again"].endswith("were lost")


def test_a_file_that_was_deleted_is_begun_again(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        train(writer, range(20))
        for path in tmp_path.glob("events*"):
            path.unlink()
        writer.add_scalar("own", 1.0, 1)
        writer.flush()
        train(writer, range(20, 40))
    assert read_main(tmp_path)[LOSS].steps.tolist() == list(range(20, 40))


def test_a_folder_that_was_deleted_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SummaryWriter(tmp_path / "run")
    writer.add_diagnostics(loss=1.0, global_step=0)
    writer.flush()
    for path in (tmp_path / "run").iterdir():
        path.unlink()
    (tmp_path / "run").rmdir()
    writer.add_diagnostics(loss=1.0, global_step=1)
    with pytest.warns(RuntimeWarning, match="is incomplete"):
        writer.close()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("make", [TorchWriter, SummaryWriter])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # torch's
def test_a_folder_that_cannot_be_written_is_an_error_at_once(
    tmp_path: Path, make: Callable[[str], Any]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make(str(tmp_path / "file"))


def test_a_disk_that_is_full_from_the_start_is_an_error_at_once(
    tmp_path: Path, disk: Disk, capfd: pytest.CaptureFixture[str]
) -> None:
    disk.fault = errno.ENOSPC
    with pytest.raises(OSError, match="the fault"):
        SummaryWriter(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


LIMITED = """
import resource, signal, sys
from tb_lossdiag import SummaryWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
with SummaryWriter(sys.argv[1]) as writer:
    for step in range(300):
        writer.add_diagnostics(loss=float(step), global_step=step)
        writer.add_scalar("own", float(step), step)
"""


@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
@pytest.mark.skipif(sys.platform == "win32", reason="files have no such limit there")
def test_files_that_may_grow_no_further_are_followed_by_others(
    tmp_path: Path, loader: Open
) -> None:
    ended = script(LIMITED, tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert len(list(tmp_path.iterdir())) > 3
    provider = loader(str(tmp_path))
    reader = Reader(provider)
    run = reader.read(reader.listings()["."])
    scalars = provider.list_scalars(RequestContext(), experiment_id="", plugin_name="scalars")
    end_servers()
    assert run[LOSS].steps.tolist() == list(range(300))
    assert scalars["."]["own"].max_step == 299


def read_main(folder: Path) -> Run:
    """The run of the folder itself, without those beneath it."""
    for path in folder.glob("several*"):
        path.rename(folder.parent / f"{folder.name}-{path.name}")
    return read(folder)
