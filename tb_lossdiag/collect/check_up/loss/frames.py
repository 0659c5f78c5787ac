"""Whether the frames of each sequence are enough for its symbols, as a CTC loss needs them."""

from __future__ import annotations

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import LossCall
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.quantities import CALL_UNFIT


def frame_facts(call: LossCall) -> Facts:
    """Share of the sequences of a CTC loss that no path fits: each symbol takes a frame, and two alike in a row one between them."""
    if call.name != "ctc_loss" or call.target is None:
        return {}
    frames, lengths = (_whole(call.options[name]) for name in ("input_lengths", "target_lengths"))
    rows = _rows(call.target.detach().cpu(), lengths)
    if rows is None or len(frames) != len(lengths):
        return {}
    spoken = torch.arange(1, rows.shape[1]) < lengths.unsqueeze(1)
    twice = ((rows[:, 1:] == rows[:, :-1]) & spoken).sum(1)
    return {CALL_UNFIT: (lengths + twice > frames).float().mean()}


def _whole(lengths: Tensor | tuple[int, ...]) -> Tensor:
    return torch.as_tensor(lengths).detach().cpu().reshape(-1).long()


def _rows(symbols: Tensor, lengths: Tensor) -> Tensor | None:
    """whole[N, L] of symbols that may be given one after the other; None where they are fewer than their lengths say."""
    if symbols.dim() > 1:
        return symbols
    if int(lengths.sum()) != len(symbols):
        return None
    return torch.nn.utils.rnn.pad_sequence(
        list(symbols.split(lengths.tolist())), batch_first=True, padding_value=-1
    )
