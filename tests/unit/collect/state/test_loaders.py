from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, dataloader

from tb_lossdiag.collect.state import loaders
from tb_lossdiag.collect.state.alive import alive
from tb_lossdiag.quantities import EPOCH_BATCHES, EPOCH_TAKEN, STREAM_WORKERS


class _Stream(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(9))

    def __len__(self) -> int:
        return 9


@pytest.fixture(autouse=True)
def _own_loops_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests' loops may not have been collected yet."""
    before = {id(loop) for loop in alive(dataloader._BaseDataLoaderIter)}
    monkeypatch.setattr(
        "tb_lossdiag.collect.state.loaders.alive",
        lambda kind: (one for one in alive(kind) if id(one) not in before),
    )


def loader(samples: int) -> DataLoader[tuple[torch.Tensor, ...]]:
    return DataLoader(TensorDataset(torch.zeros(samples)), batch_size=2)


def test_a_loop_under_way_tells_its_place() -> None:
    loop = iter(loader(10))
    assert loaders.place_in_epoch() == {}
    next(loop), next(loop)
    assert loaders.place_in_epoch() == {EPOCH_BATCHES: 5.0, EPOCH_TAKEN: 2.0}


def test_a_loop_that_is_over_tells_nothing_and_hides_none() -> None:
    over, loop = iter(loader(4)), iter(loader(10))
    assert len(list(over)) == 2
    next(loop)
    assert loaders.place_in_epoch() == {EPOCH_BATCHES: 5.0, EPOCH_TAKEN: 1.0}


def test_two_loops_and_streams_tell_nothing() -> None:
    stream = iter(DataLoader(_Stream(), batch_size=2))
    next(stream)
    assert loaders.place_in_epoch() == {}
    loops = iter(loader(10)), iter(loader(6))
    assert [next(loop) is not None for loop in loops] == [True, True]
    assert loaders.place_in_epoch() == {}


@pytest.mark.parametrize(
    ("workers", "taken", "told"), [(2, 2, True), (2, 1, False), (1, 2, False), (0, 2, False)]
)
def test_a_stream_tells_its_workers_once_two_batches_are_taken(
    workers: int, taken: int, told: bool
) -> None:
    loop = iter(DataLoader(_Stream(), batch_size=2, num_workers=workers))
    for _ in range(taken):
        next(loop)
    assert loaders.stream_workers() == ({STREAM_WORKERS: 2.0} if told else {})


def test_workers_that_read_rows_by_number_share_them_out() -> None:
    samples = TensorDataset(torch.zeros(10))
    loop = iter(DataLoader(samples, batch_size=2, num_workers=2))
    next(loop), next(loop)
    assert loaders.stream_workers() == {}
