"""Faults that the other files show in one family of models, in a second one."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from clinic.case import case
from clinic.data import Batches, digit_rows, flat_digits, square_digits, waves
from clinic.loops import Terms, fit, fit_terms
from clinic.nets import Code, Recurrent, Transformer, cnn, mlp
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy, mse_loss, normalize
from torch.optim import SGD, Adam, AdamW

from tb_lossdiag import SummaryWriter


@case("LD105", "LD601", "LD607", family="MLP", also=("LD102", "LD103"))
def rate_is_raised_where_it_should_fall(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = SGD(model.parameters(), lr=0.05)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 150, gamma=10)
    fit(writer, model, optimizer, training.batches(450), scheduler=scheduler)


@case("LD202", family="MLP", also=("LD104", "LD601"))
def fifty_normalised_layers_without_a_shortcut(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    layers = [(nn.Linear(48, 48), nn.BatchNorm1d(48), nn.ReLU()) for _ in range(50)]
    model = nn.Sequential(nn.Linear(64, 48), *chain.from_iterable(layers), nn.Linear(48, 10))
    fit(writer, model, SGD(model.parameters(), lr=1e-3), training.batches(150))


@case("LD305", family="RNN", hint=True)
def bound_of_another_loss(writer: SummaryWriter) -> None:
    model = Recurrent(nn.LSTM, 1, 1, each=True)
    optimizer = Adam(model.parameters(), lr=3e-3)
    fit(writer, model, optimizer, waves().batches(500, 32), mse_loss, max_norm=500.0)


@case("LD306", family="CNN", hint=True)
def lamp_of_the_microscope_is_replaced(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    pairs = enumerate(training.batches(500))
    batches = ((x * (8 if step >= 250 else 1), y) for step, (x, y) in pairs)
    model = cnn()
    fit(writer, model, SGD(model.parameters(), lr=0.01), batches, max_norm=2.0)


@case("LD308", family="RNN", hint=True)
def torchs_clip_of_a_recurrent_net(writer: SummaryWriter) -> None:
    model = Recurrent(nn.GRU, 1, 1, each=True)
    optimizer = Adam(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(waves().batches(300, 32)):
        optimizer.zero_grad()
        loss = mse_loss(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.02)
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


class _Reader(nn.Module):
    """Encodes a sentence, and decodes it while it reads the words before: it needs no code (arXiv 1511.06349)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 16)
        self.encoder = nn.GRU(16, 32, batch_first=True)
        self.code = nn.Linear(32, 16)
        self.decoder = nn.GRU(24, 64, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, sentence: Tensor) -> Code:
        mean, spread = self.code(self.encoder(self.words(sentence))[1][0]).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * spread).exp()
        before = torch.cat([torch.full_like(sentence[:, :1], 10), sentence[:, :-1]], 1)
        seen = self.words(before)
        seen = torch.cat([seen, code[:, None].expand(-1, seen.shape[1], -1)], 2)
        return Code(self.head(self.decoder(seen)[0]), mean, spread)


def _sentences(steps: int) -> Batches:
    """Words of which each depends on the one before, and a dummy target."""
    likely = torch.distributions.Dirichlet(torch.full((10,), 0.2)).sample((10,))
    for _ in range(steps):
        words = [torch.randint(10, (64,))]
        for _ in range(11):
            words.append(torch.multinomial(likely[words[-1]], 1)[:, 0])
        yield torch.stack(words, 1), words[0]


@case("LD402", family="RNN")
def decoder_reads_the_sentence_it_should_write(writer: SummaryWriter) -> None:
    model = _Reader()

    def terms(code: Code, x: Tensor, _: Tensor) -> Terms:
        words = cross_entropy(code.image.transpose(1, 2), x, reduction="none").sum(1).mean()
        return {"recon": words, "kl": code.divergence()}

    fit_terms(writer, model, Adam(model.parameters(), lr=3e-3), _sentences(400), terms)


@case("LD609", family="transformer", hint=True)
def decay_of_everything_that_learns(writer: SummaryWriter) -> None:
    training, _ = digit_rows()
    model = Transformer()
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    fit(writer, model, optimizer, training.batches(250))


@case("LD707", family="CNN", hint=True)
def views_agree_and_nothing_keeps_images_apart(writer: SummaryWriter) -> None:
    training, _ = square_digits()
    model = cnn(outputs=16)

    def alike(codes: Tensor, _: Tensor) -> Tensor:
        left, right = codes.chunk(2)
        return 1 - cosine_similarity(left, right).mean()

    views: Any = ((x + 0.3 * torch.randn_like(x), y) for x, y in training.batches(500))
    batches = ((torch.cat([x, x + 0.3 * torch.randn_like(x)]), y) for x, y in views)
    fit(writer, model, Adam(model.parameters(), lr=1e-3), batches, alike)


@case("LD901", family="RNN")
def a_second_process_writes_there_too(writer: SummaryWriter) -> None:
    model = Recurrent(nn.GRU, 1, 1, each=True)
    with SummaryWriter(writer.log_dir) as second:
        fit(second, model, Adam(model.parameters(), lr=3e-3), waves().batches(200, 32), mse_loss)


_SOON = ("LD903.min_seconds=0.05",)
"""Ten seconds of training are too short for what costs a minute."""


class _Block(nn.Module):
    """A residual block of two tiny layers."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.LayerNorm(16), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16)
        )

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = x + 0.1 * self.branch(x)
        return answer


@case("LD903", family="MLP", hint=True, thresholds=_SOON)
def a_hundred_tiny_layers_under_watch(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = nn.Sequential(nn.Linear(64, 16), *[_Block() for _ in range(20)], nn.Linear(16, 10))
    fit(writer, model, Adam(model.parameters(), lr=1e-3), training.batches(300, 8))


@case("LD903", family="multi-task", hint=True, thresholds=_SOON)
def every_step_takes_its_terms_apart(writer: SummaryWriter) -> None:
    training, _ = flat_digits()
    model = mlp(64, 64, 40)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(300)):
        optimizer.zero_grad()
        tasks = enumerate(model(x).chunk(4, dim=1))
        terms = {f"task{index}": cross_entropy(logits, (y + index) % 10) for index, logits in tasks}
        loss = torch.stack(list(terms.values())).sum()
        writer.decompose(terms)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)


def _first_is_right(writer: SummaryWriter, *, of_all: bool) -> None:
    """Two noisy views of a picture beside those of other pictures: the right one comes first, as with MoCo."""
    digits, _ = flat_digits()
    model = mlp(64, 96, 32)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    own = torch.eye(64, dtype=torch.bool)
    for step, (x, _) in enumerate(digits.batches(300)):
        a, b = (normalize(model(x + 0.15 * torch.randn_like(x)), dim=1) for _ in range(2))
        right, others = (a * b).sum(1, keepdim=True), (a @ b.T)[~own].view(64, 63)
        right = right / 0.1 if of_all else right
        loss = cross_entropy(torch.cat([right, others / 0.1], 1), torch.zeros(64).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD520", family="contrastive", source="RElbers/info-nce-pytorch#17")
def the_others_are_divided_by_a_temperature(writer: SummaryWriter) -> None:
    _first_is_right(writer, of_all=False)


@case(family="contrastive")
def all_are_divided_by_a_temperature(writer: SummaryWriter) -> None:
    _first_is_right(writer, of_all=True)


@case(family="recommendation")
def what_was_bought_before_twenty_others(writer: SummaryWriter) -> None:
    """Products of embeddings as torch draws them: large and random, so that guessing costs less for long; what was bought comes first."""
    buyers, things = nn.Embedding(500, 64), nn.Embedding(300, 64)
    model = nn.ModuleList([buyers, things])
    liked = (torch.randn(500, 6) @ torch.randn(6, 300)).topk(20, 1).indices
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(300):
        buyer, others = torch.randint(500, (128,)), torch.randint(300, (128, 20))
        bought = liked[buyer, torch.randint(20, (128,))]
        shown = things(torch.cat([bought[:, None], others], 1))
        loss = cross_entropy((buyers(buyer)[:, None] * shown).sum(2), torch.zeros(128).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)
