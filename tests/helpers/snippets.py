"""Runs the code that an advice shows, in the middle of a small program such as its reader has.

A snippet may use what any training has (model, optimizer, loss, x, y, ...) and, by code, what its advice is about (a discriminator's
judgement, a second loss term). Warnings are errors: advice must not earn its reader one.
"""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (its usual name)
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.rule import Text

World = dict[str, Any]
OF_THIS_MACHINE = "(?s).*CUDA is not available|This DataLoader will create"
CLASSES, SIZE, FEATURES = 10, 32, 8


class Net(nn.Module):
    """A classifier in which a module has the wished name, such as "body.1"."""

    def __init__(self, named: str) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, 16)
        self.head = nn.Linear(16, CLASSES)
        self.last = named
        inner: nn.Module = self
        *path, leaf = named.split(".")
        for name in path:
            inner.add_module(name, nn.Sequential())
            inner = inner.get_submodule(name)
        inner.add_module(leaf, nn.Linear(CLASSES, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.get_submodule(self.last)(self.head(self.first(x).relu()))
        return logits


def blocks(advice: Text) -> list[str]:
    """The Python code in an advice, in both languages."""
    texts = advice.en, advice.in_language("zh")
    return [
        block for text in texts for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    ]


def run(code: str, block: str) -> None:
    """Run a snippet of a rule's advice; fails if it raises or warns."""
    named = re.search(r'get_\w+\("([^"]+?)(?:\.bias|\.weight)?"\)', block)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder, _alone(folder):
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=OF_THIS_MACHINE)
        world = _training(named[1] if named else "tail", folder)
        for part, make in SPECIAL.get(code, {}).items():
            world |= make() if part in block else {}
        world["writer"] = SummaryWriter(folder)
        try:
            exec(block, world)  # noqa: S102  (our own text)
        except Exception as error:
            raise AssertionError(f"advice of {code}: {error!r} in\n{block}") from error
        world["writer"].close()


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """What a snippet writes goes into the folder, what it sets for the process does not outlive it."""
    before = Path.cwd()
    os.chdir(folder)
    torch.manual_seed(0)
    try:
        yield
    finally:
        os.chdir(before)
        torch.autograd.set_detect_anomaly(False)
        if dist.is_initialized():
            dist.destroy_process_group()


def _training(named: str, folder: str) -> World:
    """What a classification's training has after some steps, before `backward`."""
    model = Net(named)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = torch.randn(SIZE, FEATURES), _labels()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    output = model(x)
    return {
        "torch": torch,
        "nn": nn,
        "F": F,
        "SummaryWriter": SummaryWriter,
        "model": model,
        "optimizer": optimizer,
        "criterion": nn.CrossEntropyLoss(),
        "x": x,
        "y": y,
        "inputs": x,
        "target": y,
        "targets": y,
        "batch": x,
        "output": output,
        "logits": output,
        "loss": F.cross_entropy(output, y),
        "dataset": TensorDataset(x, y),
        "loader": DataLoader(TensorDataset(x, y), SIZE),
        "device": "cpu",
        "lr": 1e-3,
        "epochs": 2,
        "step": 1,
        "total_steps": 100,
        "scheduler": torch.optim.lr_scheduler.ConstantLR(optimizer),
        "name": "adam",
        "scaler": torch.amp.GradScaler("cpu"),
        "log_dir": folder,
    }


def _labels() -> Tensor:
    return torch.arange(SIZE) % CLASSES


def _tokens() -> dict[str, Any]:
    return {"tokens": torch.randint(9, (SIZE, 6)), "model": nn.Embedding(9, 9)}


def _ended() -> World:
    tokens = torch.randint(9, (SIZE, 6))
    return {"tokens": tokens, "attention_mask": torch.ones_like(tokens)}


def _two_answers() -> World:
    """What two sets are compared with."""
    width = {"x_valid": torch.randn(SIZE, FEATURES), "y_train": torch.randn(SIZE, 1)}
    return {**width, "model": nn.Linear(FEATURES, 1), "y_valid": torch.randn(SIZE, 1)}


def _two_sets() -> World:
    return {"x_train": torch.randn(SIZE, FEATURES), "x_valid": torch.randn(SIZE, FEATURES)}


def _judge() -> World:
    return {"discriminator": nn.Linear(FEATURES, 1), "fake": torch.randn(SIZE, FEATURES)}


def _layer() -> World:
    return {"layer": nn.Linear(FEATURES, 16)}


def _one_number() -> World:
    """Regression, or yes or no: a model with one output, and targets of its shape."""
    model, target = nn.Linear(FEATURES, 1), torch.rand(SIZE, 1).round()
    output = model(torch.randn(SIZE, FEATURES))
    return {"model": model, "output": output, "logits": output, "target": target}


def _flat_targets() -> World:
    return {**_one_number(), "target": torch.rand(SIZE).round()}


def _two_classes() -> World:
    return {"logits": torch.randn(SIZE, 2), "target": torch.arange(SIZE) % 2}


def _twenty_classes() -> World:
    return {"logits": torch.randn(SIZE, 20), "target": torch.arange(SIZE) % 20}


def _several_at_once() -> World:
    return {"target": torch.rand(SIZE, CLASSES).round()}


def _spoken() -> World:
    return {
        "targets": torch.randint(1, CLASSES, (SIZE, 6)),
        "target_lengths": torch.randint(1, 7, (SIZE,)),
        "input_lengths": torch.full((SIZE,), 5),
    }


def _sequences() -> World:
    lengths = {"input_lengths": torch.full((2,), 9), "target_lengths": torch.full((2,), 3)}
    return {**lengths, "outputs": torch.randn(9, 2, 5), "targets": torch.ones(2, 3).long()}


def _two_terms() -> World:
    weight = torch.ones(1, requires_grad=True)
    return {"main": (2 * weight).sum(), "aux": (3 * weight).sum(), "mask": torch.ones(3)}


def _reached() -> World:
    model = torch.nn.Linear(2, 1)
    return {"model": model, "term": model(torch.ones(3, 2)).sum()}


def _autoencoder() -> World:
    terms = torch.ones(4, requires_grad=True)
    return {"kl_per_dimension": terms, "reconstruction": terms.sum()}


def _ranks() -> World:
    """A group of one process."""
    meeting = Path("meeting").resolve()
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=0, world_size=1)
    return {}


def _sizes() -> World:
    return {"features": FEATURES, "hidden": 16, "outputs": 1, "channels": 16}


def _head() -> World:
    return {"head": nn.Linear(16, CLASSES), "features": torch.randn(SIZE, 16)}


def _embedded() -> World:
    names = ("predicted", "projected", "first", "second", "embeddings")
    return {name: torch.randn(SIZE, FEATURES) for name in names}


def _matched() -> World:
    class Scaled(nn.Module):
        """Has a scale under any name."""

        def get_parameter(self, target: str) -> nn.Parameter:  # noqa: ARG002
            return nn.Parameter(torch.tensor(2.66))

    sides = ("normalised_a", "normalised_b", "image", "text")
    return {"model": Scaled(), "scale": 14.3, **{s: torch.randn(SIZE, FEATURES) for s in sides}}


Maker = Callable[[], World]


def _decoded() -> World:
    class Tokenizer:
        @staticmethod
        def decode(tokens: Any) -> str:
            return " ".join(map(str, tokens))

    ids = torch.zeros(2, 4, dtype=torch.long)
    return {"tokenizer": Tokenizer, "inputs": {"input_ids": ids, "labels": ids}}


def _tokens_added() -> World:
    """A model whose table has new rows, made of the others' mean."""
    model = nn.Module()
    model.embedding = nn.Embedding(12, 6)
    model.get_input_embeddings = lambda: model.embedding  # type: ignore[assignment]
    model.requires_grad_(requires_grad=False)
    return {"model": model, "added": 2}


def _routed() -> World:
    """Tokens that a router has sent to two of eight experts each."""
    probabilities = torch.randn(SIZE, 8, requires_grad=True).softmax(-1)
    return {
        "experts": 8,
        "probabilities": probabilities,
        "chosen": probabilities.topk(2).indices,
    }


def _speaker() -> nn.Module:
    """A model with an embedding and a head that could be one."""
    model = nn.Module()
    model.embedding, model.head = nn.Embedding(CLASSES, 8), nn.Linear(8, CLASSES, bias=False)
    model.tie_weights = lambda: None  # type: ignore[assignment]
    return model


SPECIAL: Mapping[str, Mapping[str, Maker]] = {
    "LD106": {"(targets - mean)": lambda: {"targets": torch.randn(SIZE, CLASSES)}},
    "LD107": {
        "zip(inputs": lambda: {"inputs": torch.randn(SIZE, 8), "targets": _labels()},
        "": lambda: {"validation_loss": 1.0, "best": 2.0},
    },
    "LD108": {"": lambda: {"train_inputs": torch.randn(SIZE, 8), "train_targets": _labels()}},
    "LD110": {
        "log_variance": lambda: {"mean": torch.randn(SIZE, 4), "log_variance": torch.randn(SIZE, 4)}
    },
    "LD112": {"": _decoded},
    "LD402": {"": _autoencoder},
    "LD403": {"": _two_terms},
    "LD404": {"autograd.grad": _reached, "": _two_terms},
    "LD406": {"": _two_terms},
    "LD501": {"nll": lambda: {"log_probabilities": torch.randn(SIZE, 10).log_softmax(1)}},
    "LD502": {"": _several_at_once},
    "LD503": {
        "likely * target": lambda: {"target": torch.rand(SIZE, CLASSES).round()},
        "binary": _several_at_once,
        "kl_div": lambda: {"target": torch.randn(SIZE, CLASSES).softmax(1)},
        "ctc_loss": _sequences,
        "poisson": lambda: {"log_rate": torch.randn(SIZE), "target": torch.ones(SIZE)},
    },
    "LD504": {"": _flat_targets},
    "LD505": {"argmax": _several_at_once, "target > 0": _one_number},
    "LD506": {
        "mse": _one_number,
        "ctc_loss": _sequences,
        "target.float()": _several_at_once,
        "discriminator": _judge,
    },
    "LD507": {"": _one_number},
    "LD508": {"": _one_number},
    "LD509": {"pos_weight": _one_number, "0.526": _two_classes, "0.06, 5.7": _twenty_classes},
    "LD510": {"x_train": lambda: {"x_train": torch.randn(100, FEATURES)}, "mse": _one_number},
    "LD511": {
        "binary": _several_at_once,
        "squeeze": _flat_targets,
        "head": _head,
        "body": lambda: {**_sizes(), "body": nn.Identity(), "target": torch.randn(SIZE, 1)},
    },
    "LD519": {"": _embedded},
    "LD520": {"": _matched},
    "LD522": {"binary": _several_at_once},
    "LD525": {"": _spoken},
    "LD548": {"": lambda: {**_sizes(), "body": nn.Identity()}},
    "LD526": {
        "window": lambda: {"window": torch.randn(SIZE, 12), "length": 8},
        "": lambda: {"inputs": torch.randn(SIZE, 6, 8), "targets": torch.randn(SIZE, 1)},
    },
    "LD620": {"": lambda: {"model": _speaker()}},
    "LD413": {
        "": lambda: {
            "policy_loss": torch.randn(()),
            "value_loss": torch.randn(()),
            "entropy": torch.rand(SIZE),
        },
    },
    "LD531": {
        "": lambda: {"actor": nn.Linear(FEATURES, 3), "seen": torch.randn(SIZE, FEATURES)},
    },
    "LDR25": {
        "": lambda: {
            "log_probs": torch.randn(SIZE, requires_grad=True),
            "advantages": torch.randn(SIZE),
        },
    },
    "LD527": {
        "": lambda: {
            "critic": nn.Linear(FEATURES, 1),
            "seen": torch.randn(SIZE, FEATURES),
            "returns": torch.randn(SIZE),
        },
    },
    "LD532": {
        "": lambda: {
            "critic": nn.Linear(FEATURES, 1),
            "seen": torch.randn(SIZE, FEATURES),
            "returns": torch.randn(SIZE),
        },
    },
    "LD533": {
        "": lambda: {
            "advantages": torch.randn(4, 6),
            "mask": (torch.arange(6) < 4).float().expand(4, 6),
        },
    },
    "LD534": {"": lambda: {"encoder": nn.Linear(FEATURES, 6)}},
    "LD535": {
        "": lambda: {
            "target_network": nn.Linear(FEATURES, 4),
            "after": torch.randn(SIZE, FEATURES),
            "reward": torch.randn(SIZE),
            "over": torch.zeros(SIZE),
            "chosen": torch.randn(SIZE, requires_grad=True),
        },
    },
    "LD604": {"": lambda: {"build_model": lambda: nn.Linear(FEATURES, 1)}},
    "LD513": {
        "tokens.clone()": lambda: {"tokens": torch.randint(1, 40, (4, 20))},
        "completion_mask": lambda: {
            "batch": {
                "input_ids": torch.randint(1, 40, (4, 20)),
                "completion_mask": torch.ones(4, 20),
            }
        },
    },
    "LD518": {
        "": lambda: {
            "scores": torch.randn(4, 20, 40),
            "labels": torch.randint(40, (4, 20)),
            "rows": torch.arange(4),
        }
    },
    "LD517": {"": _tokens_added},
    "LD521": {
        "": lambda: {
            "answer": torch.randn(SIZE, 6),
            "wanted": torch.randn(SIZE, 6),
            "times": torch.randint(0, 1000, (SIZE,)),
        }
    },
    "LD512": {"labels": lambda: {"labels": torch.full((2, 3), -100)}},
    "LD514": {"tokens": _tokens},
    "LD515": {"attention_mask": _ended},
    "LD516": {"tokens": _tokens},
    "LD607": {
        "ReduceLROnPlateau": lambda: {"validation_loss": 1.0},
        "validate(": lambda: {
            "train_one_epoch": lambda *_: None,
            "validate": lambda _: 1.0,
            "scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(
                torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1)
            ),
        },
    },
    "LD614": {"": lambda: {"train_epoch": lambda *_: None, "epochs": 2}},
    "LD623": {"target_model": lambda: {"target_model": Net("tail"), "model": Net("tail")}},
    "LD626": {"x_train": _two_sets, "y_train": _two_answers},
    "LD411": {"": _judge},
    "LD701": {"": _layer},
    "LD702": {"": _layer},
    "LD627": {"": lambda: {"validate": lambda _: None}},
    "LD703": {"": lambda: {"train_one_epoch": lambda *_: None, "validate": lambda _: None}},
    "LD706": {"": _sizes},
    "LD727": {"": _sizes},
    "LD707": {"": lambda: {"features": torch.randn(SIZE, FEATURES)}},
    "LD708": {"": _sizes},
    "LD709": {
        "": lambda: {
            **_layer(),
            "judged_fake": torch.randn(SIZE, 1),
            "critic": nn.Linear(FEATURES, 1),
            "real": torch.randn(SIZE, FEATURES),
            "fake": torch.randn(SIZE, FEATURES),
        }
    },
    "LD710": {
        "": lambda: {
            "query": torch.randn(2, 4, 8, 16),
            "key": torch.randn(2, 4, 8, 16),
        }
    },
    "LD712": {"": _several_at_once},
    "LD713": {"": _routed},
    "LD715": {"": _routed},
    "LD725": {
        "": lambda: {"query": torch.randn(SIZE, 2, 6, 8), "key": torch.randn(SIZE, 2, 6, 8)},
    },
    "LD728": {"": lambda: {"probabilities": torch.randn(SIZE, 8).softmax(1), "many": 2}},
    "LD729": {"": lambda: {"length": 16, "frequencies": torch.rand(4)}},
    "LD803": {"": _ranks},
    "LD808": {"DistributedSampler": _ranks},
    "LD809": {"DistributedSampler": _ranks},
    "LD901": {"checkpoint": lambda: {"checkpoint": {"step": 5}, "total": 10}},
}
"""What else there is where an advice is about it: by code, and by what stands in the snippet."""
