"""A training that dies and is started again by torchrun, as `manual/en/large.md` says to start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.tiny_trainings import read
from tb_lossdiag import diagnose
from tb_lossdiag.quantities import LOSS

SCRIPT = """
import os
import torch
import torch.distributed as dist
from torch import nn
import tb_lossdiag

dist.init_process_group("gloo")
torch.manual_seed(0)
model = nn.parallel.DistributedDataParallel(nn.Linear(20, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
first = 0
if os.path.exists("last.pt"):
    kept = torch.load("last.pt")
    model.load_state_dict(kept["model"])
    optimizer.load_state_dict(kept["optimizer"])
    first = kept["step"] + 1
tb_lossdiag.watch(model, optimizer, "runs/ranks")
torch.manual_seed(100 * first + dist.get_rank())
for step in range(first, 60):
    x = torch.randn(64, 20)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), x[:, :3].argmax(1)).backward()
    optimizer.step()
    if step % 20 == 19:
        if dist.get_rank() == 0:
            kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            torch.save(kept, "last.pt")
        dist.barrier()
    if step == 29:
        dist.barrier()  # rank 0 has taken this step, too
        if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0" and dist.get_rank() == 1:
            os._exit(3)
dist.destroy_process_group()
"""
_SECONDS = 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a training died once, at step 29 of 60, with its checkpoint of step 19."""
    place = tmp_path_factory.mktemp("torchrun")
    (place / "train.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts=1"]
    # without the variable gloo asks the dead processes: torch's own, see the manual
    variables = {**os.environ, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    done = subprocess.run(
        [*command, "--nproc_per_node=2", "train.py"],
        cwd=place,
        env=variables,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "exitcode: 3" in done.stderr  # it did die
    return place / "runs"


def test_both_lives_are_one_run(folder: Path) -> None:
    run = read(folder / "ranks")
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(60))
    assert len(list((folder / "ranks").glob("*tfevents*"))) == 2
    assert not list((folder / "ranks").glob("*.tail"))


def test_the_run_says_where_it_was_resumed_and_nothing_else(folder: Path) -> None:
    (restart,) = read(folder / "ranks").restarts
    assert (restart.step, restart.kind, restart.undone) == (20, "resumed", 10)
    (judged,) = diagnose(folder).runs
    assert judged.findings == ()
