"""Lightning on two processes: every rank clips, every rank is compared, one writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.tiny_trainings import read
from tb_lossdiag.quantities import CLIP_GLOBAL_NORM, GLOBAL_NORM, LOSS, RANK_PARAMETER_SPREAD

pytest.importorskip("pytorch_lightning")

STEPS = 8
RANKS = """
import sys, torch, pytorch_lightning
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset
from tb_lossdiag.integrations.lightning import LossDoctor

for name, module in list(sys.modules.items()):
    if name.startswith("tb_lossdiag") and hasattr(module, "PATIENCE"):
        module.PATIENCE = 60.0  # a busy machine's ranks may be late

folder, strategy = sys.argv[1:]
sharded = strategy == "fully_shard"

def chosen():
    if not sharded:
        return strategy
    return ModelParallelStrategy(  # Lightning's "fsdp" refuses processors
        data_parallel_size=2, tensor_parallel_size=1, process_group_backend="gloo"
    )

class Module(pytorch_lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))

    def configure_model(self):
        if sharded:
            fully_shard(self.net, mesh=self.device_mesh["data_parallel"])

    def training_step(self, batch, _):
        return cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def on_train_end(self):
        whole = [getattr(p, "full_tensor", lambda p=p: p)() for p in self.parameters()]
        torch.save([p.detach() for p in whole], f"{folder}/{self.whose}{self.global_rank}.pt")

    def on_fit_end(self):
        self.trainer.strategy.barrier()  # rank 0 ends the other process when it ends

for whose in ("plain", "ours"):
    pytorch_lightning.seed_everything(0)
    x, module = torch.randn(256, 20), Module()
    module.whose = whose
    pytorch_lightning.Trainer(
        max_epochs=1, accelerator="cpu", devices=2, strategy=chosen(), logger=False,
        gradient_clip_val=0.2, default_root_dir=folder,
        callbacks=[LossDoctor()] if whose == "ours" else [],
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    ).fit(module, DataLoader(TensorDataset(x, x[:, :3].argmax(1)), 16))
"""


@pytest.mark.parametrize("strategy", ["ddp", "fully_shard"])
def test_two_ranks(tmp_path: Path, strategy: str) -> None:
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(script), str(tmp_path), strategy]
    subprocess.run(command, env=environment, capture_output=True, timeout=280, check=True)
    for rank in range(2):
        plain, ours = (torch.load(tmp_path / f"{whose}{rank}.pt") for whose in ("plain", "ours"))
        assert all(torch.equal(a, b) for a, b in zip(plain, ours, strict=True))
    folder = tmp_path / "lightning_logs" / "run_1"
    assert len(list(folder.glob("*tfevents*"))) == 1
    run = read(folder)
    for quantity in (GLOBAL_NORM, LOSS, CLIP_GLOBAL_NORM):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS))
    if strategy == "ddp":
        np.testing.assert_allclose(run[RANK_PARAMETER_SPREAD].values, 0, atol=1e-6)
