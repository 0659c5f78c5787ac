"""Where in its epoch a loop is, as far as torch's DataLoader tells."""

from __future__ import annotations

from torch.utils.data import dataloader

from tb_lossdiag.collect.state.alive import alive
from tb_lossdiag.quantities import EPOCH_BATCHES, EPOCH_TAKEN, STREAM_WORKERS, Quantity


def place_in_epoch() -> dict[Quantity, float]:
    """Batches of an epoch and how many are taken, if a loop over one DataLoader is under way; a look at all objects, some 20 ms per 100,000.

    Streams have no number of batches. Where loops over several loaders are under way, nobody knows which of them trains.
    """
    under_way = [
        (len(loop), loop._num_yielded)  # noqa: SLF001
        for loop in alive(dataloader._BaseDataLoaderIter)  # noqa: SLF001
        if _counts(loop)
    ]
    places = [(size, taken) for size, taken in under_way if 0 < taken < size]
    if len(places) != 1:
        return {}
    size, taken = places[0]
    return {EPOCH_BATCHES: float(size), EPOCH_TAKEN: float(taken)}


def stream_workers() -> dict[Quantity, float]:
    """Worker processes that read the one stream under way of which two batches have been given; nothing if that is one process, or unknown."""
    workers = [
        loop._num_workers  # noqa: SLF001
        for loop in alive(dataloader._MultiProcessingDataLoaderIter)  # noqa: SLF001
        if not _counts(loop) and loop._num_yielded > 1  # noqa: SLF001
    ]
    return {STREAM_WORKERS: float(workers[0])} if len(workers) == 1 and workers[0] > 1 else {}


def _counts(loop: dataloader._BaseDataLoaderIter) -> bool:
    return loop._dataset_kind == dataloader._DatasetKind.Map  # noqa: SLF001
