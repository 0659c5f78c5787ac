"""A run as a file to hand on: the same verdict, and nothing of the user's own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers.tiny_trainings import read as recorded
from helpers.tiny_trainings import record
from tb_lossdiag.bundles.file import read, write
from tb_lossdiag.bundles.names import Neutral, neutral
from tb_lossdiag.cli import main
from tb_lossdiag.config import Policy, Settings
from tb_lossdiag.quantities import GRADIENT_NORM, LOSS
from tb_lossdiag.records import table
from tb_lossdiag.run import LiveReport, Restart, Run


@pytest.fixture
def bundled(tmp_path: Path) -> tuple[Run, Path]:
    """A run of somebody's own names, and the file of its bundle."""
    names = ["patientnet.encoder.weight", "patientnet.Geheim.bias", "hospital.encoder.weight"]
    norms = np.ones((40, 3))
    tables = [
        table(GRADIENT_NORM, range(40), norms, names),
        table(LOSS, range(40), np.linspace(3, 1, 40)),
    ]
    run = Run(
        "clinic/secret",
        {one.quantity.name: one for one in tables},
        {"optimizer": "HospitalAdam", "command": "train.py --data /secret", "torch": "2.13"},
        (LiveReport("LD201", "patientnet.encoder.weight", "warning", 3, 5.0),),
        (Restart(4, 6.0, "resumed"),),
    )
    path = tmp_path / "run.lossdiag.npz"
    write(str(path), neutral(run), "0.1.0")
    return run, path


def test_nothing_of_the_users_own_is_in_it(bundled: tuple[Run, Path]) -> None:
    run, path = bundled
    with zipfile.ZipFile(path) as unfolded:
        everything = b"".join(unfolded.read(name) for name in unfolded.namelist())
    for word in (b"patient", b"Geheim", b"hospital", b"Hospital", b"secret", b"train.py"):
        assert word not in everything
    back = read(str(path))
    columns = back[GRADIENT_NORM].columns
    assert columns == ("n1.encoder.weight", "n1.n2.bias", "n3.encoder.weight")
    assert back.facts == {"torch": "2.13", "optimizer": "n4"}
    assert back.reported[0].subject == "n1.encoder.weight"
    assert np.array_equal(back[LOSS].values, run[LOSS].values)
    gaps = back[LOSS].walltimes[0] - back.restarts[0].walltime
    assert gaps == run[LOSS].walltimes[0] - run.restarts[0].walltime


def test_what_becomes_alike_stays_apart() -> None:
    run = Run("r", {"loss": table(LOSS, [0], [1.0])})
    assert neutral(run)[LOSS].columns == run[LOSS].columns
    named = Neutral()
    assert named("a.b") == "a.b"
    assert named("Ärzte.weight") == "n1.weight"


def test_a_recorded_run_is_judged_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "runs" / "mine", range(200))
    path = str(tmp_path / "b.lossdiag.npz")
    assert main(["bundle", str(tmp_path / "runs"), "mine", "--output", path]) == 0
    assert "as in the run" in capsys.readouterr().err
    own = recorded(tmp_path / "runs")
    policy = Policy.of(Settings())
    assert [o.verdict for o in policy.diagnose(read(path)).outcomes] == [
        o.verdict for o in policy.diagnose(own).outcomes
    ]
    assert main(["bundle", path]) == 0
    assert "run" in capsys.readouterr().out
    assert main(["bundle", str(tmp_path / "runs"), "--output", path, "--names"]) == 0
    assert main(["bundle", str(tmp_path / "runs"), "nobody"]) == 2


@pytest.mark.parametrize("kind", ["text", "zip", "newer", "bomb", "pickle"])
def test_what_is_no_bundle_is_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, bundled: tuple[Run, Path]
) -> None:
    path = tmp_path / "x.lossdiag.npz"
    about = {"version": 99, "package": "9.0"}
    if kind == "text":
        path.write_text("no", "utf-8")
    elif kind == "zip":
        np.savez(path, a=np.zeros(3))
    elif kind == "newer":
        np.savez(path, about=np.frombuffer(json.dumps(about).encode(), np.uint8))
    elif kind == "bomb":
        monkeypatch.setattr("tb_lossdiag.bundles.file._LARGEST", 100)
        path = bundled[1]
    else:
        np.savez(path, about=np.array([{"version": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"no bundle|newer|no bundle does|pickle"):
        read(str(path))
