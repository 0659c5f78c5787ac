"""Processes that fork while a writer watches: no child hangs, none touches what its parent writes, and one of its own works fully."""

from __future__ import annotations

from pathlib import Path

import pytest
from torture.child import script

from helpers.tiny_trainings import read
from tb_lossdiag.quantities import GRADIENT_NORM

HEAD = """
import gc, os, sys, torch, torch.multiprocessing as tmp
import torch.nn.functional as F
from torch import nn
from tb_lossdiag import SummaryWriter
torch.set_num_threads(1)
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
o = torch.optim.SGD(m.parameters(), lr=.1)
w = SummaryWriter(sys.argv[1])
def loss(m=m):
    x = torch.randn(8, 6)
    return F.cross_entropy(m(x), (x[:, 0] > 0).long())
def step():
    o.zero_grad(); loss().backward(); o.step()
def fork(child):
    if not (pid := os.fork()):
        child()
        os._exit(7)
    print("child", os.waitpid(pid, 0)[1])
watched = w.watch(m, o)
for _ in range(10): step()
"""
TAIL = """
for _ in range(10): step()
w.close()
print("parent done")
"""

QUICK = """
def trains():
    for _ in range(300): step()
    os._exit(0)
def logs():  # torch's own writer hangs here
    for i in range(300):
        w.add_scalar("x", 1.0, i); w.add_scalars("y", {"a": 1.0}, i); w.add_diagnostics(loss=1.0, global_step=i)
        w.add_text("t", "t"); w.clip_grad_norm_(m.parameters(), 1.0)
    w.flush(); w.close(); w.add_scalar("x", 2.0, 1)
    with w.watch(nn.Linear(1, 1), o, name="other"): step()
    os._exit(0)
def drops():
    global w, watched
    del w, watched
    gc.collect()
    os._exit(0)
fork(trains); fork(logs); fork(drops); fork(lambda: sys.exit(0))
"""
HOGWILD = """
m.share_memory()
def target():
    for _ in range(1000): step()
workers = [tmp.get_context("fork").Process(target=target) for _ in range(2)]
[p.start() for p in workers]; [p.join(60) for p in workers]
[print("child", p.exitcode) for p in workers]
"""
LOADER = """
class Data(torch.utils.data.Dataset):
    def __len__(self): return 8
    def __getitem__(self, i): return torch.relu(torch.randn(6)), int(loss() < 0)
for persistent in (False, True):
    loader = torch.utils.data.DataLoader(Data(), 8, num_workers=2, persistent_workers=persistent)
    for _ in range(2):
        for x, y in loader: step()
for _ in range(6): step()
"""
OWN = """
def child():
    m2 = nn.Linear(6, 3); o2 = torch.optim.SGD(m2.parameters(), lr=.1)
    with SummaryWriter(sys.argv[1] + "/child") as w2:
        w2.watch(m2, o2)
        for i in range(40):
            w2.add_scalar("x", float(i), i); o2.zero_grad(); loss(m2).backward(); o2.step()
    os._exit(0)
fork(child)
"""
MARK = pytest.mark.torture
CASES = [
    pytest.param(QUICK, 4, 20, id="trains, logs, drops, exits"),
    pytest.param(OWN, 1, 20, id="writer of its own"),
    pytest.param(HOGWILD, 2, 20, id="hogwild", marks=MARK),
    pytest.param(LOADER, 0, 30, id="data loaders", marks=MARK),
]


@pytest.mark.parametrize(("code", "children", "steps"), CASES)
def test_no_forked_child_hangs_or_is_heard(
    tmp_path: Path, code: str, children: int, steps: int
) -> None:
    ended = script(HEAD + code + TAIL, tmp_path / "run", limit=120)
    assert ended.code == 0, ended
    words = ["child 0"] * children + ["parent done"]
    assert [line for line in ended.out.splitlines() if line in words] == words, ended
    assert ended.err.count("Loss Doctor:") == int(code == QUICK), ended.err
    files = list((tmp_path / "run").glob("events*"))
    assert len(files) == 1
    (tmp_path / "alone").mkdir()
    files[0].rename(tmp_path / "alone" / files[0].name)
    assert read(tmp_path / "alone")[GRADIENT_NORM].steps.tolist() == list(range(steps))
    if code == OWN:
        assert len(read(tmp_path / "run" / "child")[GRADIENT_NORM]) == 40
