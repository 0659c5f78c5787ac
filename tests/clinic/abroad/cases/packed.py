"""Several documents in one row, through Transformers' Trainer: told apart, not told apart, and told in vain."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.cases.language import fit, gpt2
from clinic.abroad.corpora import BOS, SIZE, Examples, sentences
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from transformers import LlamaConfig, LlamaForCausalLM

from tb_lossdiag import SummaryWriter

_LENGTH = 32


def llama() -> LlamaForCausalLM:
    """Two layers of 48, with rotary places."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=SIZE,
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
        )
    )


def rows(count: int = 2000) -> tuple[Tensor, Tensor]:
    """Rows of two or three sentences, each behind a mark of its beginning, and each token's place in its own one."""
    draw = torch.Generator().manual_seed(3)
    tokens = sentences(count, _LENGTH)
    places = torch.arange(_LENGTH).repeat(count, 1)
    for cuts in (torch.randint(8, 16, (count, 1), generator=draw), 20):
        behind = places >= cuts if isinstance(cuts, Tensor) else _third(count, cuts, draw)
        places = torch.where(behind, places - places.where(behind, 99).amin(1, True), places)
    return tokens.where(places > 0, BOS), places


def _third(count: int, at: int, draw: torch.Generator) -> Tensor:
    """In every second row a third sentence begins here."""
    return (torch.rand(count, 1, generator=draw) < 0.5) & (torch.arange(_LENGTH) >= at)


def labelled(tokens: Tensor, places: Tensor) -> Tensor:
    """What is to be learned: all but the marks, which nothing tells."""
    return tokens.masked_fill(places == 0, -100)


@patient(family="Transformers")
def documents_parted_by_their_places(writer: SummaryWriter) -> None:
    """Places that begin anew, and no mask: the model parts the documents by itself."""
    tokens, places = rows()
    data = Examples(input_ids=tokens, position_ids=places, labels=labelled(tokens, places))
    fit(writer, llama(), data, max_steps=300)


@patient(
    "LD717",
    family="Transformers",
    source="huggingface/transformers pull request 46634, hiyouga/LlamaFactory pull request 4224",
)
def a_mask_of_ones_joins_documents(writer: SummaryWriter) -> None:
    """The same with a mask of ones, as a collator adds it: the documents are no longer looked for."""
    tokens, places = rows()
    data = Examples(
        input_ids=tokens,
        attention_mask=torch.ones_like(tokens),
        position_ids=places,
        labels=labelled(tokens, places),
    )
    fit(writer, llama(), data, max_steps=300)


@patient(family="Transformers", source="karpathy/nanoGPT data/openwebtext/prepare.py")
def documents_one_behind_the_other(writer: SummaryWriter) -> None:
    """As GPT-2 was pretrained: rows cut out of all texts in a line, and nothing says where one begins."""
    tokens, _ = rows()
    fit(writer, gpt2(), Examples(input_ids=tokens, labels=tokens), max_steps=300)


class _Reader(nn.Module):
    """Attention by hand; `apart` whether its mask knows the documents."""

    def __init__(self, *, apart: bool) -> None:
        super().__init__()
        self.table, self.where = nn.Embedding(SIZE, 48), nn.Embedding(_LENGTH, 48)
        self.three, self.back = nn.Linear(48, 144), nn.Linear(48, 48)
        self.inner = nn.Sequential(
            nn.LayerNorm(48), nn.Linear(48, 96), nn.GELU(), nn.Linear(96, 48)
        )
        self.norm, self.head = nn.LayerNorm(48), nn.Linear(48, SIZE)
        self.apart = apart

    def forward(self, input_ids: Tensor, numbers: Tensor, labels: Tensor) -> dict[str, Tensor]:
        x = self.table(input_ids) + self.where.weight
        seen = torch.ones(_LENGTH, _LENGTH, dtype=torch.bool).tril()
        if self.apart:
            seen = seen & (numbers[:, :, None] == numbers[:, None])
        query, key, value = self.three(self.norm(x)).chunk(3, -1)
        x = x + self.back(scaled_dot_product_attention(query, key, value, attn_mask=seen))
        logits = self.head(x + self.inner(x))
        wanted = labels[:, 1:].flatten()
        return {"loss": cross_entropy(logits[:, :-1].flatten(0, 1), wanted), "logits": logits}


def _numbered() -> Examples:
    tokens, places = rows()
    numbers = (places == 0).cumsum(1)
    return Examples(input_ids=tokens, numbers=numbers, labels=labelled(tokens, places))


@patient(family="attention")
def documents_with_numbers_in_the_mask(writer: SummaryWriter) -> None:
    """Attention by hand whose mask knows the documents' numbers."""
    fit(writer, _Reader(apart=True), _numbered(), max_steps=300)


@patient("LD717", family="attention", source="meta-pytorch/torchtune pull request 875")
def documents_with_numbers_and_no_mask(writer: SummaryWriter) -> None:
    """The numbers arrive at the model, whose mask is causal and nothing else."""
    fit(writer, _Reader(apart=False), _numbered(), max_steps=300)
