"""A language model of a few thousand parameters, and sentences for it."""

from __future__ import annotations

from typing import Any

import torch

WORDS = 40
_SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")


def causal(*, judge: bool = False) -> Any:
    """A GPT-2 with one layer; with `judge`, one that gives a sentence a number."""
    from transformers import (  # noqa: PLC0415
        GPT2Config,
        GPT2ForSequenceClassification,
        GPT2LMHeadModel,
    )

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=4 + WORDS, n_positions=64, n_embd=16, n_layer=1, n_head=2,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, num_labels=1,
    )  # fmt: skip
    return (GPT2ForSequenceClassification if judge else GPT2LMHeadModel)(config)


def tokenizer() -> Any:
    """A token for each word."""
    from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    names = [*_SPECIAL, *(f"w{word}" for word in range(WORDS))]
    made = Tokenizer(models.WordLevel({n: place for place, n in enumerate(names)}, _SPECIAL[3]))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    roles = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), _SPECIAL, strict=True))
    kind: Any = PreTrainedTokenizerFast
    return kind(tokenizer_object=made, **roles)


def halves(count: int = 64) -> tuple[list[str], list[str]]:
    """Beginnings of sentences that count upwards, and how they go on."""
    draw = torch.Generator().manual_seed(0)
    starts = torch.randint(WORDS, (count,), generator=draw).tolist()
    rows = [[f"w{(start + place) % WORDS}" for place in range(12)] for start in starts]
    return [" ".join(row[:6]) for row in rows], [" " + " ".join(row[6:]) for row in rows]
