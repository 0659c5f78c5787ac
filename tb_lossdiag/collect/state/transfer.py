"""Brings many small tensors to the host in one copy per device, and moves numbers of any kind to float."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tb_lossdiag.records import Floats

Number = Tensor | float
"""A number of the host, or a 0-d tensor that still has to come from its device."""


def gather(tensors: Sequence[Tensor]) -> list[Floats]:
    """The tensors as float32[n] arrays; one transfer per device, whatever their number.

    Args:
        tensors: real tensors of any shape, dtype and device; each is flattened.
    """
    flat = [tensor.detach().reshape(-1).to(torch.float32) for tensor in tensors]
    host: list[Floats] = [np.empty(0, np.float32)] * len(flat)
    for device in dict.fromkeys(tensor.device for tensor in flat):
        here = [index for index, tensor in enumerate(flat) if tensor.device == device]
        joined: Floats = torch.cat([flat[index] for index in here]).cpu().numpy()
        ends = np.cumsum([flat[index].numel() for index in here])[:-1]
        for index, part in zip(here, np.split(joined, ends), strict=True):
            host[index] = part
    return host


def local(value: Tensor) -> Tensor:
    """A number that every rank has, as this rank has it; NaN where the ranks would have to add it up first."""
    if not hasattr(value, "to_local"):
        return value
    with torch.no_grad():
        here: Tensor = value.to_local()
    return here if is_whole(value) else torch.full_like(here, torch.nan, dtype=torch.float32)


def is_whole(value: Any) -> bool:
    """Whether this rank has the number as it is: it is no DTensor, or a replicated one."""
    placements = getattr(value, "placements", ())
    return all(placement.is_replicate() for placement in placements)


def as_number(name: str, value: object) -> Number:
    """A loss or a weight: a float for what is on the host, else a 0-d tensor; tensors detached, several elements averaged.

    Args:
        name: the argument's name, for the error.
        value: a real number, a NumPy scalar or a real tensor with at least one element.

    Raises:
        TypeError: the value is neither a number nor a real tensor.
        ValueError: the tensor is empty.
    """
    if isinstance(value, Tensor):
        if type(value) is not Tensor or value.dim() or value.is_complex():
            value = _mean(name, local(value.detach()))
        return float(value.item()) if value.is_cpu else value.detach()
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name}: expected a number or a tensor, got {type(value).__name__}")
    return float(value)


def scalar(name: str, value: object) -> Tensor:
    """The same as a 0-d tensor wherever it is."""
    found = as_number(name, value)
    return found if isinstance(found, Tensor) else torch.tensor(found, dtype=torch.float64)


def _mean(name: str, value: Tensor) -> Tensor:
    if value.is_complex():
        raise TypeError(f"{name}: expected a real tensor, got {value.dtype}")
    if value.numel() == 0:
        raise ValueError(f"{name}: the tensor is empty")
    return value.reshape(()) if value.numel() == 1 else value.float().mean()
