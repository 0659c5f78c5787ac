"""Layers whose products are taken in 8-bit floating-point numbers: scales that fit, and scales that are stale, upside down or missing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.data import digit_rows, flat_digits
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (its usual name)
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
Scale = Callable[[str, Tensor], Tensor]


class _Rounded(torch.autograd.Function):
    """To 8 bits and back: numbers forward in E4M3, gradients in E5M2 by their own largest."""

    @staticmethod
    def forward(_: Any, x: Tensor, scale: Tensor, saturate: bool) -> Tensor:
        limit = torch.finfo(E4M3).max
        scaled = x * scale
        scaled = scaled.clamp(min=-limit, max=limit) if saturate else scaled
        return scaled.to(E4M3).to(x.dtype) / scale

    @staticmethod
    def backward(_: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        limit = torch.finfo(E5M2).max
        scale = limit / grad.abs().amax().clamp(min=1e-12)
        return (grad * scale).clamp(-limit, limit).to(E5M2).to(grad.dtype) / scale, None, None


def _rounded(x: Tensor, scale: Tensor) -> Tensor:
    """To 8 bits and back, saturated."""
    made: Tensor = _Rounded.apply(x, scale, True)  # type: ignore[no-untyped-call]
    return made


class _Linear(nn.Linear):
    """A linear layer in 8 bits, as mixed-precision libraries put them in the place of torch's."""

    def __init__(self, inputs: int, outputs: int, scale: Scale) -> None:
        super().__init__(inputs, outputs)
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's)
        x = _rounded(input, self.scale("input", input.detach()))
        weight = _rounded(self.weight, self.scale("weight", self.weight.detach()))
        return F.linear(x, weight, self.bias)


def _now(_: str, x: Tensor) -> Tensor:
    """By the largest number that there is."""
    return torch.finfo(E4M3).max / x.abs().amax().clamp(min=1e-12)


def _by_row(_: str, x: Tensor) -> Tensor:
    """One for each row."""
    return torch.finfo(E4M3).max / x.abs().amax(-1, keepdim=True).clamp(min=1e-12)


def _powers_of_two(_: str, x: Tensor) -> Tensor:
    """For each row the power of two that brings the largest number's exponent to the format's own, which cuts a little off."""
    return torch.exp2(8 - x.abs().amax(-1, keepdim=True).clamp(min=1e-12).log2().floor())


class _Delayed:
    """By the largest numbers of earlier steps.

    Args:
        length: steps.
        frozen: step after which no more are noted.
    """

    def __init__(self, length: int = 16, frozen: int | None = None) -> None:
        self.length, self.frozen = length, frozen
        self.history: dict[str, list[Tensor]] = {"input": [], "weight": []}
        self.calls = 0

    def __call__(self, what: str, x: Tensor) -> Tensor:
        known = self.history[what]
        scale = torch.finfo(E4M3).max / torch.stack(known).amax() if known else torch.ones(())
        self.calls += what == "input"
        if self.frozen is None or self.calls <= self.frozen:
            self.history[what] = [*known, x.abs().amax().clamp(min=1e-12)][-self.length :]
        return scale


def _layers(scale: Callable[[], Scale], *sizes: int) -> nn.Sequential:
    """A first layer in full precision, then layers in 8 bits."""
    first = [nn.Linear(64, sizes[0]), nn.ReLU()]
    inner = [layer for a, b in pairwise(sizes) for layer in (_Linear(a, b, scale()), nn.ReLU())]
    return nn.Sequential(*first, *inner, nn.Linear(sizes[-1], 10))


def _digits(writer: SummaryWriter, model: nn.Module, lr: float = 1e-3, steps: int = 300) -> None:
    digits, held_out = flat_digits()
    batches = digits.batches(steps)

    def loss() -> Tensor:
        x, y = next(batches)
        return F.cross_entropy(model(x), y)

    train(
        writer, model, Adam(model.parameters(), lr), loss, steps,
        validate=lambda: F.cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient("LD806", family="8 bits", source="NVIDIA/TransformerEngine issue 1047")
def scales_are_those_of_the_first_step(writer: SummaryWriter) -> None:
    """The history is noted in the first step only: what the layers are given grows to many times that."""
    _digits(writer, _layers(lambda: _Delayed(frozen=1), 128, 128, 128), lr=1e-2, steps=600)


@patient("LD806", family="8 bits", source="NVIDIA/TransformerEngine issue 1047")
def scales_of_a_scale_that_is_upside_down(writer: SummaryWriter) -> None:
    """Multiplied by what it should be divided by: what is left is small beyond what the format holds."""
    _digits(
        writer, _layers(lambda: lambda _, x: x.abs().amax().clamp(min=1e-12) / 448 / 100, 128, 128)
    )


class _Sensors(nn.Module):
    """Rows of raw readings, cast as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        raw = (x * 200_000).to(E5M2).to(x.dtype)
        logits: Tensor = self.last(self.first(raw / 200_000).relu())
        return logits


@patient(
    "LD806",
    "LD101",
    family="8 bits",
    also=("LD206", "LD510", "LD704"),
    source="meta-pytorch/float8_experimental pull request 33",
)
def nothing_clamps_before_the_cast(writer: SummaryWriter) -> None:
    """Numbers of up to twice the limit: a cast without a clamp makes infinity of them."""
    _digits(writer, _Sensors(), steps=100)


class _Cached(nn.Module):
    """Keys and values that are kept in 8 bits by one scale, which was measured on something smaller."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.read = nn.Linear(8, 96)
        self.out, self.scale = nn.Linear(32 * 8, 10), scale

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.read(x.reshape(len(x), 8, 8)).chunk(3, -1)
        key, value = (_rounded(each, torch.tensor(self.scale)) for each in (key, value))
        mixed = F.scaled_dot_product_attention(query, key, value)
        logits: Tensor = self.out(mixed.flatten(1))
        return logits


def _attention(writer: SummaryWriter, scale: float) -> None:
    rows, held_out = digit_rows()
    model = _Cached(scale)
    batches = rows.batches(300)

    def loss() -> Tensor:
        x, y = next(batches)
        return F.cross_entropy(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 2e-3), loss, 300,
        validate=lambda: F.cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip


@patient(
    "LD806",
    family="8 bits",
    source="vllm-project/vllm pull request 2279 (scales of a cache in 8 bits that were calibrated elsewhere)",
)
def a_cache_whose_scale_was_measured_elsewhere(writer: SummaryWriter) -> None:
    """A scale a thousand times too large: nearly everything lies at the limit."""
    _attention(writer, 2000.0)


@patient(family="8 bits")
def a_cache_whose_scale_leaves_room(writer: SummaryWriter) -> None:
    """Sixteen: the largest keys come to a fifth of the limit."""
    _attention(writer, 16.0)


@patient(family="8 bits")
def a_cache_that_is_cast_as_it_is(writer: SummaryWriter) -> None:
    """No scale, as caches are often kept: numbers about 1 are where the format is best."""
    _attention(writer, 1.0)


@patient(family="8 bits")
def scales_of_this_very_step(writer: SummaryWriter) -> None:
    """One for each tensor, of its own largest number: that one alone lies at the limit."""
    _digits(writer, _layers(lambda: _now, 128, 128, 128))


@patient(family="8 bits")
def scales_for_each_row(writer: SummaryWriter) -> None:
    """One number of each row lies at the limit, a sixteenth of all."""
    _digits(writer, _layers(lambda: _by_row, 64, 16, 16, 64))


@patient(family="8 bits")
def scales_that_are_powers_of_two(writer: SummaryWriter) -> None:
    """As in block formats: numbers of up to 512 are cut to 448."""
    _digits(writer, _layers(lambda: _powers_of_two, 64, 32, 32))


@patient(family="8 bits")
def scales_of_sixteen_steps_before(writer: SummaryWriter) -> None:
    """Delayed scales while everything grows: now and then a number is cut off."""
    _digits(writer, _layers(lambda: _Delayed(16), 128, 128, 128), lr=5e-3)


@patient(family="8 bits")
def scales_of_the_step_before(writer: SummaryWriter) -> None:
    """A history of one step: half of the largest numbers are larger than the one before."""
    _digits(writer, _layers(lambda: _Delayed(1), 128, 128, 128))


class _Sharp(nn.Module):
    """Attention whose weights are taken to 8 bits: most of them become 0, and come to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(8, 96)
        self.out = nn.Linear(32 * 8, 10)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.read(x.reshape(len(x), 8, 8)).chunk(3, -1)
        weights = (query @ key.transpose(-2, -1)).softmax(-1)
        weights = _rounded(weights, torch.tensor(448.0))
        logits: Tensor = self.out((weights @ value).flatten(1))
        return logits


@patient(family="8 bits")
def weights_of_attention_in_eight_bits(writer: SummaryWriter) -> None:
    """A softmax makes numbers of all sizes; the small ones are flushed in any format."""
    rows, held_out = digit_rows()
    model = _Sharp()
    batches = rows.batches(400)

    def loss() -> Tensor:
        x, y = next(batches)
        return F.cross_entropy(model(x), y)

    train(
        writer, model, Adam(model.parameters(), 5e-3), loss, 400,
        validate=lambda: F.cross_entropy(model(held_out.x), held_out.y),
    )  # fmt: skip
