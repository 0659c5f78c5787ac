"""Trainings that another process takes up again: with the data that come next, and with those that it began with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import torch
from clinic.case import case
from clinic.data import flat_digits
from clinic.nets import mlp
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter

_SIZE = 32
Batch = tuple[Tensor, ...]
Source = Callable[[int], Iterable[Batch]]
"""The batches from a step on, as a process that begins there gets them."""


def _loader(*, shuffle: bool = True) -> DataLoader[Batch]:
    training, _ = flat_digits()
    return DataLoader(TensorDataset(training.x, training.y), _SIZE, shuffle=shuffle, drop_last=True)


def _train(writer: SummaryWriter, source: Source, *parts: range) -> None:
    """A process for each part of the steps; each takes up weights and optimizer of the one before it."""
    seed, state = torch.initial_seed(), None
    for number, steps in enumerate(parts):
        torch.manual_seed(seed)  # as each process does at its beginning
        model = mlp(64, 64, 10)
        optimizer = Adam(model.parameters(), lr=1e-3)
        if state is not None:
            model.load_state_dict(state[0])
            optimizer.load_state_dict(state[1])
        out = writer if number == 0 else SummaryWriter(writer.log_dir)
        out.watch(model, optimizer)
        for step, (x, y) in zip(steps, source(steps.start), strict=False):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            out.add_diagnostics(loss=loss, global_step=step)
        out.close()
        state = model.state_dict(), optimizer.state_dict()


def _forever(loader: DataLoader[Batch]) -> Iterable[Batch]:
    while True:
        yield from loader


@case("LD810", family="MLP", source="Lightning-AI/pytorch-lightning issue 18780")
def a_resume_begins_its_epoch_anew(writer: SummaryWriter) -> None:
    """A job that is cut into pieces of 60 steps: none of them gets to the end of its epoch of 44 twice."""
    _train(writer, lambda _: _forever(_loader()), range(60), range(60, 120), range(120, 180))


@case("LD810", family="MLP", source="stas00/ml-engineering, data samplers")
def a_file_is_read_from_its_beginning_after_a_resume(writer: SummaryWriter) -> None:
    """No loader; what kills the job comes when it comes."""
    training, _ = flat_digits()
    rows = torch.randperm(len(training.y))

    def read(_: int) -> Iterable[Batch]:
        return ((training.x[r], training.y[r]) for r in rows.split(16))

    _train(writer, read, range(40), range(40, 73), range(73, 100), range(100, 180))


@case("LD810", family="MLP", hint=True, source="karpathy/nanoGPT, get_batch")
def draws_from_the_same_seed_after_a_resume(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    _train(writer, lambda _: training.batches(1000, _SIZE), range(100), range(100, 200))


def _orders(first: int) -> Iterable[Batch]:
    """From a step on, each epoch shuffled by its own number."""
    loader = _loader()
    epoch, seen = divmod(first, len(loader))
    while True:
        torch.manual_seed(1000 + epoch)
        yield from itertools.islice(loader, seen, None)
        epoch, seen = epoch + 1, 0


@case(family="MLP")
def a_resume_skips_what_it_has_seen(writer: SummaryWriter) -> None:
    _train(writer, _orders, range(60), range(60, 120), range(120, 180))


@case(family="MLP")
def a_resume_at_an_epochs_end_shuffles_anew(writer: SummaryWriter) -> None:
    epoch = len(_loader())
    _train(writer, _orders, range(epoch), range(epoch, 4 * epoch))


@case(family="MLP")
def a_fixed_order_is_resumed_at_an_epochs_end(writer: SummaryWriter) -> None:
    epoch = len(_loader())
    source = lambda _: _forever(_loader(shuffle=False))  # noqa: E731
    _train(
        writer, source, range(2 * epoch), range(2 * epoch, 3 * epoch), range(3 * epoch, 5 * epoch)
    )


@case(family="MLP")
def a_fixed_order_without_a_loader_is_resumed_at_an_epochs_end(writer: SummaryWriter) -> None:
    training, _ = flat_digits()

    def read(_: int) -> Iterable[Batch]:
        return itertools.cycle(zip(training.x.split(_SIZE), training.y.split(_SIZE), strict=True))

    epoch = -(-len(training.y) // _SIZE)
    _train(writer, read, range(2 * epoch), range(2 * epoch, 5 * epoch))


@case(family="MLP")
def steps_since_the_checkpoint_are_done_again(writer: SummaryWriter) -> None:
    """The first process had gone on when it died; the next ones go on from what was saved, and one more dies at once."""
    _train(writer, _orders, range(70), range(60, 90), range(60, 120), range(100, 180))
