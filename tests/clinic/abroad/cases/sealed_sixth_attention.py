"""The sixth lot: transformers by hand, as people take them from tutorials."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from torch import Tensor, nn
from torch.optim import AdamW

from tb_lossdiag import SummaryWriter

ASKS, VALUES = 5, 6


def _asked(count: int) -> tuple[Tensor, Tensor]:
    """Rows of a question (which of five places?) and five values; the label is the value in that place."""
    place = torch.randint(ASKS, (count, 1))
    values = torch.randint(VALUES, (count, ASKS))
    return torch.cat([place, ASKS + values], 1), values.gather(1, place)[:, 0]


class _Reader(nn.Module):
    """Tokens and positions, an encoder of torch, and the answer at the first token."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(ASKS + VALUES, 32)
        self.pos = nn.Parameter(0.3 * torch.randn(1 + ASKS, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=batch_first)
        self.transformer_encoder = nn.TransformerEncoder(layer, 2)
        self.fc = nn.Linear(32, VALUES)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.transformer_encoder(self.embed(x) + self.pos)
        answer: Tensor = self.fc(hidden[:, 0])
        return answer


def _read(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of right answers, one question at a time as it is served."""
    model = _Reader(batch_first=fixed)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    writer.watch(model, optimizer)
    for step in range(500):
        x, y = _asked(48)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    model.eval()
    x, y = _asked(200)
    with torch.no_grad():
        right = [int(model(x[i : i + 1]).argmax()) == int(y[i]) for i in range(200)]
    return sum(right) / 200


@patient(
    "LD718",
    family="attention",
    also=(
        "LD104",
        "LD109",
        "LD118",
        "LD523",
    ),
    source="https://github.com/Exorust/TorchLeet/issues/5, https://github.com/songyangco/GETNext/issues/2",
)
def sixth_attention_along_the_batch(writer: SummaryWriter) -> None:
    """`TransformerEncoderLayer` is not told `batch_first=True`: rows attend to other rows instead of to their own tokens."""
    _read(writer)


def _sums(count: int, length: int = 12) -> tuple[Tensor, Tensor]:
    """Rows of digits 0 to 4, and for each digit its sum with the one before, modulo 5."""
    x = torch.randint(5, (count, length))
    return x, (x + x.roll(1, 1)) % 5


class _Tagger(nn.Module):
    """Learned positions, two layers, a label for each token."""

    def __init__(self, *, fixed: bool) -> None:
        super().__init__()
        self.fixed = fixed
        self.token_embedding = nn.Embedding(5, 32)
        self.position_embedding = nn.Embedding(128, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        pos = torch.arange(x.size(1)).unsqueeze(0) if self.fixed else None
        if pos is None:
            pos = torch.arange(x.size(0)).unsqueeze(1)
        hidden = self.token_embedding(x) + self.position_embedding(pos)
        tags: Tensor = self.head(self.encoder(hidden))
        return tags


def _tag(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of right tags, where chance is a fifth."""
    model = _Tagger(fixed=fixed)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step in range(350):
        x, y = _sums(32)
        loss = nn.functional.cross_entropy(model(x).transpose(1, 2), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 100 == 99:
            x, y = _sums(48)
            with torch.no_grad():
                valid = nn.functional.cross_entropy(model(x).transpose(1, 2), y)
            writer.add_diagnostics(loss=valid, phase="validation", global_step=step)
    x, y = _sums(100)
    with torch.no_grad():
        return float((model(x).argmax(2) == y).float().mean())


@patient(
    "LD718",
    "LD724",
    family="attention",
    also=(
        "LD104",
        "LD109",
        "LD523",
    ),
    source="https://github.com/cmu-l3/anlp-fall2025-code/issues/1",
)
def sixth_positions_of_the_batch(writer: SummaryWriter) -> None:
    """`torch.arange(x.size(0)).unsqueeze(1)`: all tokens of a row get the same position, that of the row in the batch."""
    _tag(writer)


def _rotated(x: Tensor, positions: Tensor, inv_freq: Tensor) -> Tensor:
    """Rotary embedding of x[..., place, dim]; the tables are computed in the type of `inv_freq`."""
    angles = torch.outer(positions.type_as(inv_freq), inv_freq)
    cos, sin = angles.cos().float(), angles.sin().float()
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


class _Rotary(nn.Module):
    """A causal block with rotary positions."""

    def __init__(self, *, by_head: bool = False, start: int = 0, half: bool = False) -> None:
        super().__init__()
        self.by_head, self.start = by_head, start
        self.norm, self.qkv, self.out = nn.LayerNorm(64), nn.Linear(64, 192), nn.Linear(64, 64)
        self.mlp = nn.Sequential(
            nn.LayerNorm(64), nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64)
        )
        inv_freq = 1.0 / 1000 ** (torch.arange(0, 16, 2) / 16)
        self.register_buffer("inv_freq", inv_freq.bfloat16() if half else inv_freq)

    def _turn(self, x: Tensor) -> Tensor:
        """Of x[batch, place, head, dim]."""
        inv_freq = self.get_buffer("inv_freq")
        if self.by_head:
            return _rotated(x, torch.arange(x.size(2)), inv_freq).transpose(1, 2)
        return _rotated(x.transpose(1, 2), self.start + torch.arange(x.size(1)), inv_freq)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(2, (3, 4, 16)).unbind(2)
        seen = nn.functional.scaled_dot_product_attention(
            self._turn(q), self._turn(k), v.transpose(1, 2), is_causal=True
        )
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        after: Tensor = x + self.mlp(x)
        return after


def _echo(writer: SummaryWriter, blocks: list[_Rotary], steps: int = 300) -> float:
    """Share of letters that are named rightly, each being that of three places before."""
    model = nn.Sequential(nn.Embedding(10, 64), *blocks, nn.LayerNorm(64), nn.Linear(64, 10))
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step in range(steps):
        ids = torch.randint(10, (16, 24))
        logits = model(ids)[:, 3:]
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, :-3].flatten())
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    ids = torch.randint(10, (64, 32))
    with torch.no_grad():
        return float((model(ids)[:, 3:].argmax(2) == ids[:, :-3]).float().mean())


def _by_head(writer: SummaryWriter, *, fixed: bool = False) -> float:
    return _echo(writer, [_Rotary(by_head=not fixed) for _ in range(2)])


@patient(
    "LD724",
    family="attention",
    also=(
        "LD104",
        "LD109",
        "LD720",
    ),
    source="https://github.com/mlfoundations/open_lm/issues/4",
)
def sixth_rotations_by_the_head(writer: SummaryWriter) -> None:
    """The rotary embedding is given [batch, place, head, dim] and turns by the number of the head: places are unknown."""
    _by_head(writer)


def _halved(writer: SummaryWriter, *, fixed: bool = False) -> float:
    return _echo(writer, [_Rotary(start=1500, half=not fixed) for _ in range(2)])


@patient(
    "LD729",
    family="attention",
    also=(
        "LD724",
        "LD611",
        "LD104",
        "LD109",
    ),
    source="https://github.com/EleutherAI/gpt-neox/issues/1003, https://github.com/huggingface/transformers/issues/25681",
)
def sixth_places_beyond_what_bfloat16_counts(writer: SummaryWriter) -> None:
    """`t = torch.arange(seqlen).type_as(inv_freq)` in bfloat16: beyond 256 several neighbours share a place."""
    _halved(writer)
