"""The third lot, through Transformers' Trainer: an optimizer that has no rate of its own."""

from __future__ import annotations

from typing import Any

from clinic.abroad import patient
from clinic.abroad.cases.language import fit
from clinic.abroad.corpora import EOS, PAD, SIZE, Examples, sentences
from transformers import T5Config, T5ForConditionalGeneration

from tb_lossdiag import SummaryWriter


@patient(family="Transformers")
def t5_by_adafactor(writer: SummaryWriter) -> None:
    """T5 with Adafactor, as its authors train it."""
    tokens = sentences(3000, length=10)
    sizes: dict[str, Any] = {"d_model": 48, "d_kv": 12, "d_ff": 96, "num_layers": 2, "num_heads": 4}
    marks: dict[str, Any] = {"decoder_start_token_id": PAD, "eos_token_id": EOS}
    model = T5ForConditionalGeneration(T5Config(vocab_size=SIZE, **sizes, **marks))
    data = Examples(input_ids=tokens, labels=tokens.flip(1))
    fit(writer, model, data, optim="adafactor", learning_rate=1e-2, max_steps=150)
