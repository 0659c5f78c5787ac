"""`tb-lossdiag run`: scripts that know nothing of us, trained as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.nursery import Nursery, nursery
from helpers.tiny_trainings import read
from tb_lossdiag.analysis.reinforcement import is_reinforcement
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    GLOBAL_NORM,
    GRADIENT_NORM,
    LOSS,
    LOSS_TERM,
    PREFLIGHT_STEP,
    VALIDATION_LOSS,
)

HEAD = """
import sys, torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

torch.manual_seed(0)
"""
CLASSIFIER = """
model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(30):
    x = torch.randn(16, 20)
    optimizer.zero_grad()
    loss = cross_entropy(model(x), x[:, :3].argmax(1))
    loss.backward()
    clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
torch.save(list(model.parameters()), sys.argv[1])
"""
PARTS = """
class Encoder(nn.Linear): pass
class Decoder(nn.Linear): pass
encoder, decoder, free = Encoder(20, 4), Decoder(4, 20), nn.Parameter(torch.zeros(20))
optimizer = torch.optim.SGD([*encoder.parameters(), *decoder.parameters(), free], lr=1e-2)
for step in range(30):
    x = torch.randn(16, 20)
    optimizer.zero_grad()
    (decoder(encoder(x)) + free - x).pow(2).mean().backward()
    optimizer.step()
torch.save([*encoder.parameters(), *decoder.parameters(), free], sys.argv[1])
"""
TENSORS = """
weight = torch.zeros(20, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=1e-2)
for step in range(30):
    x = torch.randn(16, 20)
    optimizer.zero_grad()
    (x @ weight - x.sum(1)).pow(2).mean().backward()
    optimizer.step()
torch.save([weight], sys.argv[1])
"""
PLAYERS = """
class Generator(nn.Linear): pass
class Discriminator(nn.Linear): pass
generator, discriminator = Generator(4, 20), Discriminator(20, 1)
makes, judges = (torch.optim.Adam(m.parameters()) for m in (generator, discriminator))
loss = nn.BCEWithLogitsLoss()
for step in range(30):
    real, fake = torch.randn(16, 20), generator(torch.randn(16, 4))
    judges.zero_grad()
    loss(discriminator(real), torch.ones(16, 1)).backward()
    loss(discriminator(fake.detach()), torch.zeros(16, 1)).backward()
    judges.step()
    makes.zero_grad()
    loss(discriminator(fake), torch.ones(16, 1)).backward()
    makes.step()
torch.save([*generator.parameters(), *discriminator.parameters()], sys.argv[1])
"""
VALIDATED = """
model = nn.Sequential(nn.Linear(20, 32), nn.Dropout(), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(3):
    model.train()
    for _ in range(5):
        x = torch.randn(16, 20)
        optimizer.zero_grad()
        cross_entropy(model(x), x[:, :3].argmax(1)).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        x = torch.randn(64, 20)
        cross_entropy(model(x), x[:, :3].argmax(1))
torch.save(list(model.parameters()), sys.argv[1])
"""
BOARD = (
    """
from torch.utils.tensorboard import SummaryWriter
writer = SummaryWriter("board/mine")
writer.add_scalar("val_loss", 0.5, 0)
"""
    + CLASSIFIER
)


ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fast() -> Iterator[Nursery]:
    """Processes that have imported torch: most of what a short script takes. Some tests do without."""
    with nursery(ROOT) as found:
        yield found


def python(folder: Path, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def trained(
    folder: Path,
    text: str,
    code: int = 0,
    options: tuple[str, ...] = (),
    fast: Nursery | None = None,
) -> str:
    """Trained by itself and under `run`, with the same weights; what was said at the end."""
    (folder / "train.py").write_text(HEAD + text)
    _ended(folder, "train.py", "plain.pt", code=code, fast=fast)
    command = ("-m", "tb_lossdiag.cli", "run", *options, "train.py", "ours.pt")
    said = _ended(folder, *command, code=code, fast=fast)
    plain, ours = (
        torch.load(folder / name, weights_only=False) for name in ("plain.pt", "ours.pt")
    )
    assert all(torch.equal(a, b) for a, b in zip(plain, ours, strict=True))
    return said


def _ended(folder: Path, *command: str, code: int, fast: Nursery | None) -> str:
    if fast is None:
        return python(folder, *command, code=code).stderr
    done = fast.python(folder, *command)
    assert done.code == code, done.err
    return done.err


def test_a_classifier(tmp_path: Path) -> None:
    said = trained(tmp_path, CLASSIFIER)
    assert said.endswith("recorded in runs/run_1; see tb-lossdiag check runs/run_1\n")
    run = read(tmp_path / "runs" / "run_1")
    for quantity in (GLOBAL_NORM, LOSS, CLIP_GLOBAL_NORM):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(30))
    assert "cross_entropy" in run.facts["loss_functions"]
    assert "framework" not in run.facts
    lines = (tmp_path / "train.py").read_text().splitlines()
    for name, text in (
        ("loss_lines", "loss = cross"),
        ("clip_line", "clip_grad"),
        ("step_line", "step()"),
    ):
        path, _, number = run.facts[name].removeprefix("cross_entropy at ").partition(":")
        assert path == "train.py"
        assert text in lines[int(number) - 1]


OWNED = {
    "transformers": """
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
config = BertConfig(
    vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
)
net = BertForSequenceClassification(config)
data = [{"input_ids": torch.tensor([i % 8, 1]), "labels": i % 2} for i in range(16)]
settings = TrainingArguments("out", use_cpu=True, max_steps=4, report_to=[], save_strategy="no")
Trainer(net, settings, train_dataset=data).train()
""",
    "lightning": """
import pytorch_lightning as lightning
class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)
    def training_step(self, batch, _):
        return cross_entropy(self.layer(batch), torch.zeros(len(batch), dtype=torch.long))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
net = Net()
trainer = lightning.Trainer(
    max_steps=4, logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False, accelerator="cpu",
)
trainer.fit(net, torch.utils.data.DataLoader(torch.randn(16, 4), 4))
""",
}


@pytest.mark.parametrize("owner", OWNED)
def test_a_script_that_leaves_its_loop_to_a_framework_says_to_which(
    tmp_path: Path, owner: str
) -> None:
    (tmp_path / "train.py").write_text(HEAD + OWNED[owner])
    python(tmp_path, "-m", "tb_lossdiag.cli", "run", "train.py")
    assert read(tmp_path / "runs" / "run_1").facts["framework"] == owner


def test_a_script_that_validates(tmp_path: Path, fast: Nursery) -> None:
    trained(tmp_path, VALIDATED, fast=fast)
    run = read(tmp_path / "runs" / "run_1")
    assert run[VALIDATION_LOSS].steps.tolist() == [4, 9, 14]


FLOWN = ("--preflight",)


def test_a_preflight_of_a_script(tmp_path: Path, fast: Nursery) -> None:
    said = trained(tmp_path, VALIDATED, options=FLOWN, fast=fast)
    assert "Preflight: 0 findings" in said
    assert "the batch by heart, rate x 1 " in said
    run = read(tmp_path / "runs" / "run_1")
    assert run[PREFLIGHT_STEP].columns == ("rate x 0.1", "rate x 1", "rate x 10")
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(15))


SOFTMAX = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.norm = nn.Linear(20, 8), nn.BatchNorm1d(8)
        self.unused, self.head = nn.Linear(2, 2), nn.Linear(8, 3)
    def forward(self, x, y=None):
        scores = self.head(self.norm(self.body(x)).relu()).softmax(1)
        return {"loss": cross_entropy(scores, y), "scores": scores}
model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(5):
    x = torch.randn(16, 20)
    optimizer.zero_grad()
    model(x, y=x[:, :3].argmax(1))["loss"].backward()
    optimizer.step()
torch.save([*model.parameters(), *model.buffers(), torch.rand(3)], sys.argv[1])
"""


def test_a_preflight_finds_what_is_wrong_in_a_model_that_knows_its_loss(
    tmp_path: Path, fast: Nursery
) -> None:
    said = trained(tmp_path, SOFTMAX, options=FLOWN, fast=fast)
    assert "LD501" in said
    assert "all but 2: unused.weight, unused.bias" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PARTS, "the script does not call the Module as a whole"),
        (
            CLASSIFIER.replace("loss.backward()", "(loss + loss.exp()).backward()"),
            "the loss is put together",
        ),
        (CLASSIFIER.replace("model(x)", "model(x) * 2"), "the script computes something between"),
    ],
)
def test_what_a_preflight_cannot_try_is_said(
    tmp_path: Path, fast: Nursery, text: str, why: str
) -> None:
    said = trained(tmp_path, text, options=FLOWN, fast=fast)
    assert f"Loss Doctor: no preflight: {why}" in said
    assert "writer.preflight(model, batch, loss_fn, optimizer)" in said


def test_parameters_that_no_one_model_holds(tmp_path: Path, fast: Nursery) -> None:
    trained(tmp_path, PARTS, fast=fast)
    run = read(tmp_path / "runs" / "run_1")
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(30))
    assert set(run[GRADIENT_NORM].columns) == {
        "Encoder_0.weight",
        "Encoder_0.bias",
        "Decoder_1.weight",
        "Decoder_1.bias",
        "parameter_4",
    }


def test_who_acts_in_an_environment_is_an_agent(tmp_path: Path, fast: Nursery) -> None:
    """A policy gradient by hand: neither a name nor a loss function tells, and its loss need not fall."""
    trained(
        tmp_path, "import gymnasium\nenv = gymnasium.make('CartPole-v1')\n" + CLASSIFIER, fast=fast
    )
    run = read(tmp_path / "runs" / "run_1")
    assert run.facts["agent"] == "acts in an environment of gymnasium"
    assert is_reinforcement(run)


def test_to_import_an_environment_is_not_to_act(tmp_path: Path, fast: Nursery) -> None:
    trained(tmp_path, "import gymnasium\n" + CLASSIFIER, fast=fast)
    run = read(tmp_path / "runs" / "run_1")
    assert "agent" not in run.facts
    assert not is_reinforcement(run)


SCALAR = """
adam = torch.optim.Adam([weight])
for _ in range(3):
    adam.zero_grad()
    weight.exp().sum().backward()
    adam.step()
"""


def test_plain_tensors_are_refused_in_words(tmp_path: Path, fast: Nursery) -> None:
    said = trained(tmp_path, TENSORS, fast=fast)
    assert said.count("an optimizer of plain tensors is not watched; make them nn.Parameter") == 1
    assert "Warning" not in said
    assert "has taken a step" not in said, "it has"
    assert not (tmp_path / "runs").exists()


def test_plain_tensors_beside_a_model_are_told_once(tmp_path: Path, fast: Nursery) -> None:
    """As the entropy's weight of soft actor-critic."""
    said = trained(
        tmp_path, CLASSIFIER + "weight = torch.zeros(1, requires_grad=True)\n" + SCALAR, fast=fast
    )
    assert said.count("an optimizer of plain tensors is not watched; make them nn.Parameter") == 1
    assert "Warning" not in said
    assert said.endswith("recorded in runs/run_1; see tb-lossdiag check runs/run_1\n")


def test_two_players_have_their_names(tmp_path: Path, fast: Nursery) -> None:
    trained(tmp_path, PLAYERS, fast=fast)
    run = read(tmp_path / "runs" / "run_1")
    assert (
        set(run[GLOBAL_NORM].columns)
        == set(run[LOSS_TERM].columns)
        == {"Generator", "Discriminator"}
    )


def test_a_script_with_a_board_of_its_own_is_one_run(tmp_path: Path) -> None:
    said = trained(tmp_path, BOARD)
    assert "recorded in board/mine" in said
    assert not (tmp_path / "runs").exists()
    np.testing.assert_array_equal(read(tmp_path / "board" / "mine")[LOSS].steps, np.arange(30))


def test_the_module_of_that_name_is_the_command(tmp_path: Path) -> None:
    """As launchers want it: `torchrun -m tb_lossdiag.run train.py`."""
    (tmp_path / "train.py").write_text(HEAD + CLASSIFIER)
    said = python(tmp_path, "-W", "error", "-m", "tb_lossdiag.run", "train.py", "ours.pt").stderr
    assert said.endswith("recorded in runs/run_1; see tb-lossdiag check runs/run_1\n")


def test_the_exit_code_is_kept(tmp_path: Path, fast: Nursery) -> None:
    trained(tmp_path, CLASSIFIER + "sys.exit(7)\n", code=7, fast=fast)


def test_an_exception_is_shown_as_python_does(tmp_path: Path) -> None:
    said = trained(tmp_path, CLASSIFIER + "raise KeyError('of the script')\n", code=1)
    trace, _, rest = said.partition("KeyError: 'of the script'")
    assert trace.startswith('Traceback (most recent call last):\n  File "train.py"')
    assert "recorded in runs/run_1" in rest


def test_no_training_is_said(tmp_path: Path, fast: Nursery) -> None:
    said = trained(tmp_path, "torch.save([torch.zeros(1)], sys.argv[1])\n", fast=fast)
    assert "no optimizer of torch.optim has taken a step in this process" in said
    assert not (tmp_path / "runs").exists()


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    said = python(tmp_path, "-m", "tb_lossdiag.cli", "run", "nothing.py", code=2).stderr
    assert "there is no script 'nothing.py'" in said


def test_under_torchrun(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        HEAD
        + """
import torch.distributed as dist
dist.init_process_group("gloo")
rank = dist.get_rank()
model = nn.parallel.DistributedDataParallel(nn.Linear(20, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
torch.manual_seed(rank)
for step in range(10):
    x = torch.randn(8, 20)
    optimizer.zero_grad()
    cross_entropy(model(x), x[:, :3].argmax(1)).backward()
    optimizer.step()
torch.save(list(model.parameters()), f"{sys.argv[1]}.{rank}")
dist.barrier()
dist.destroy_process_group()
"""
    )
    ranks = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    python(tmp_path, *ranks, "train.py", "plain")
    python(tmp_path, *ranks, "-m", "tb_lossdiag.cli", "run", "--logdir", "log", "train.py", "ours")
    for rank in range(2):
        plain, ours = (
            torch.load(tmp_path / f"{whose}.{rank}", weights_only=False)
            for whose in ("plain", "ours")
        )
        assert all(torch.equal(a, b) for a, b in zip(plain, ours, strict=True))
    run = read(tmp_path / "log")
    np.testing.assert_array_equal(run[LOSS].steps, np.arange(10))
