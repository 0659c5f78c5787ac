"""Sequences of symbols out of noisy frames, by CTC."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.loops import train
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.nn.functional import ctc_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

SYMBOLS = 8
"""Without the blank, which is 0."""

SOUNDS = torch.randn(SYMBOLS + 1, 12, generator=torch.Generator().manual_seed(0))


class Utterances:
    """Frames float32[N, T, 12], their symbols int64[N, L] and both lengths."""

    def __init__(self, count: int = 32, longest: int = 6, pace: int = 4) -> None:
        self.lengths = torch.randint(2, longest + 1, (count,))
        self.symbols = torch.randint(1, SYMBOLS + 1, (count, longest))
        beyond = torch.arange(longest) >= self.lengths.unsqueeze(1)
        spoken = self.symbols.masked_fill(beyond, 0).repeat_interleave(pace, 1)
        self.frames = SOUNDS[spoken] + 0.4 * torch.randn(count, longest * pace, 12)
        self.spoken = torch.full((count,), longest * pace)


class Listener(nn.Module):
    """A recurrent network with an answer per frame; `stride` frames make one."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.rnn = nn.GRU(12 * stride, 48, batch_first=True, bidirectional=True)
        self.head = nn.Linear(96, SYMBOLS + 1)

    def forward(self, frames: Tensor) -> Tensor:
        together = frames.unflatten(1, (-1, self.stride)).flatten(2)
        scores: Tensor = self.head(self.rnn(together)[0])
        return scores


def hear(
    writer: SummaryWriter,
    *,
    stride: int = 1,
    blank: int = 0,
    axis: int | None = -1,
    forgiving: bool = False,
    trimmed: bool = True,
    steps: int = 250,
) -> None:
    """Train; `axis` is where likelihoods are normalised, None leaves scores as they are; untrimmed targets end in blanks."""
    model = Listener(stride)

    def of() -> Tensor:
        batch = Utterances()
        scores = model(batch.frames).transpose(0, 1)
        said = scores if axis is None else scores.log_softmax(axis)
        lengths = batch.spoken // stride
        symbols, ends = batch.symbols, batch.lengths
        if not trimmed:
            symbols = symbols.masked_fill(torch.arange(symbols.shape[1]) >= ends[:, None], 0)
            ends = torch.full_like(ends, symbols.shape[1])
        return ctc_loss(said, symbols, lengths, ends, blank=blank, zero_infinity=forgiving)

    train(writer, model, Adam(model.parameters(), lr=3e-3), of, steps)


@patient(family="CTC")
def symbols_are_heard(writer: SummaryWriter) -> None:
    """As it should be."""
    hear(writer)


@patient(family="CTC")
def symbols_are_heard_in_pairs_of_frames(writer: SummaryWriter) -> None:
    """Half of the frames, and `zero_infinity` for safety."""
    hear(writer, stride=2, forgiving=True)


@patient(family="CTC")
def a_sentence_now_and_then_is_too_fast(writer: SummaryWriter) -> None:
    """Three frames are taken together: what repeats itself often does not fit, which is rare."""
    hear(writer, stride=3, forgiving=True)


@patient(
    "LD525",
    "LD101",
    family="CTC",
    source="ypwhs/captcha_break issue 29, SeanNaren/warp-ctc issue 29",
)
def fewer_frames_than_symbols(writer: SummaryWriter) -> None:
    """So many frames are taken together that long sentences do not fit: the loss is infinite."""
    hear(writer, stride=4)


@patient(
    "LD525",
    "LD114",
    "LD205",
    family="CTC",
    hard=True,
    source="wenet-e2e/wenet PR 2299, freewym/espresso PR 76",
)
def what_does_not_fit_is_not_heard(writer: SummaryWriter) -> None:
    """The same, with `zero_infinity`: most sentences count as nothing."""
    hear(writer, stride=8, forgiving=True)


@patient(
    "LD503",
    "LD110",
    family="CTC",
    source="SeanNaren/deepspeech.pytorch issue 488, gwx314/STARS issue 9",
)
def scores_where_likelihoods_belong(writer: SummaryWriter) -> None:
    """No `log_softmax` before the loss, which turns negative."""
    hear(writer, axis=None)


@patient(
    "LD503", "LD718", "LD110", family="CTC", source="ikostrikov/pytorch-meta-optimizer issue 10"
)
def likelihoods_over_the_frames(writer: SummaryWriter) -> None:
    """`log_softmax` over time instead of over the symbols."""
    hear(writer, axis=0)


@patient(
    "LD506",
    family="CTC",
    also=("LD110",),
    hard=True,
    source="yl4579/AuxiliaryASR issue 10, Holmeyoung/crnn-pytorch issue 34",
)
def the_blank_is_a_symbol(writer: SummaryWriter) -> None:
    """The blank's index is that of a symbol that is spoken."""
    hear(writer, blank=3)


@patient(
    NO_CODE,
    "LD506",
    "LD516",
    family="CTC",
    source="sbillburg/CRNN-with-STN issue 11, pytorch/pytorch PR 18415",
)
def blanks_are_spelled_out(writer: SummaryWriter) -> None:
    """The lengths of the targets are those of the padded ones: blanks are to be heard as symbols."""
    hear(writer, trimmed=False)
