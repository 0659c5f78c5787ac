"""What goes wrong inside transformers and mixtures of experts, and what looks like it."""

from __future__ import annotations

import torch
from clinic.case import case
from clinic.data import digit_rows, flat_digits
from clinic.loops import fit
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention
from torch.optim import Adam, AdamW, Optimizer

from tb_lossdiag import SummaryWriter


class Mixture(nn.Module):
    """A classifier whose middle is a mixture: two of eight experts for each sample."""

    def __init__(
        self,
        bias: float = 0.0,
        first: int = 2,
        noise: float = 0.0,
        many: int = 2,
        *,
        whole: bool = False,
    ) -> None:
        """So many of the first experts are preferred by `bias` at the beginning; `noise` is added to what the router says.

        `many` are asked for each sample; their weights are made to add up to 1 if they are to be `whole`.
        """
        super().__init__()
        self.noise, self.many, self.whole = noise, many, whole
        self.inner, self.head = nn.Linear(64, 32), nn.Linear(32, 10)
        self.router = nn.Linear(32, 8)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)) for _ in range(8)
        )
        with torch.no_grad():
            self.router.bias[:first] += bias
        self.balance = self.forgotten = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        hidden = self.inner(x).relu()
        scores = self.router(hidden)
        if self.noise:
            scores = scores + self.noise * torch.randn_like(scores)
        probabilities = scores.softmax(-1)
        weights, chosen = probabilities.topk(self.many, dim=-1)
        if self.whole:
            weights = weights / weights.sum(-1, keepdim=True)
        shares = torch.bincount(chosen.flatten(), minlength=8) / chosen.numel()
        self.balance = 8 * (shares * probabilities.mean(0)).sum()
        self.forgotten = 8 * (shares.mean() * probabilities.mean(0)).sum()
        out = hidden
        for index, expert in enumerate(self.experts):
            weight = (weights * (chosen == index)).sum(-1, keepdim=True)
            out = out + weight * expert(hidden)
        said: Tensor = self.head(out)
        return said


def _mixture(writer: SummaryWriter, model: Mixture, weight: float, *, follows: bool = True) -> None:
    """Train it; `follows`: the balancing term depends on the load."""
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for x, y in flat_digits()[0].batches(300, 128):
        fit_ = cross_entropy(model(x), y)
        balance = model.balance if follows else model.forgotten
        loss = fit_ + weight * balance
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, loss_terms={"fit": fit_, "balance": (balance, weight)})
        optimizer.step()


@case("LD728", family="transformer")
def one_expert_whose_weight_is_divided_by_itself(writer: SummaryWriter) -> None:
    _mixture(writer, Mixture(many=1, whole=True), weight=0.3)


@case(family="transformer")
def one_expert_by_its_probability(writer: SummaryWriter) -> None:
    _mixture(writer, Mixture(many=1), weight=0.3)


@case(family="transformer")
def two_experts_whose_weights_add_up_to_one(writer: SummaryWriter) -> None:
    _mixture(writer, Mixture(whole=True), weight=0.3)


@case("LD714", family="transformer")
def two_experts_get_everything(writer: SummaryWriter) -> None:
    """The router's bias came out of another model, whose first two experts were the good ones."""
    _mixture(writer, Mixture(bias=8.0), weight=0.0)


@case("LD715", "LD714", family="transformer", also=("LD713", "LD407"))
def a_balancing_loss_over_the_wrong_axis(writer: SummaryWriter) -> None:
    _mixture(writer, Mixture(bias=1.5), weight=0.01, follows=False)


@case("LD713", "LD714", family="transformer", also=("LD205",))
def a_balancing_loss_that_is_too_weak(writer: SummaryWriter) -> None:
    _mixture(writer, Mixture(), weight=0.001)


@case("LD713", family="transformer", source="swiss-ai/Megatron-LM pull request 136")
def an_expert_that_everybody_asks(writer: SummaryWriter) -> None:
    """One of eight has a head start, and the balancing loss was left out: it answers every sample, and noise alone brings the others in."""
    _mixture(writer, Mixture(bias=6.0, first=1, noise=2.0), weight=0.0)


@case(family="transformer")
def an_expert_with_a_head_start_that_is_made_up_for(writer: SummaryWriter) -> None:
    """The same, with a balancing loss."""
    _mixture(writer, Mixture(bias=6.0, first=1, noise=2.0), weight=0.3)


@case(family="transformer")
def experts_that_are_balanced(writer: SummaryWriter) -> None:
    _mixture(writer, Mixture(), weight=0.2)


@case(family="transformer")
def experts_that_come_into_balance(writer: SummaryWriter) -> None:
    """It begins uneven, and the balancing loss does what it is for."""
    _mixture(writer, Mixture(bias=1.0), weight=0.1)


@case(family="MLP")
def the_best_five_of_its_answers(writer: SummaryWriter) -> None:
    """The model chooses with topk, and it is no router: it keeps the largest of its features."""

    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = nn.Linear(64, 64), nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.inner(x).relu()
            kept = torch.zeros_like(hidden).scatter(-1, hidden.topk(16, -1).indices, 1.0)
            said: Tensor = self.head(hidden * kept)
            return said

    model = Sparse()
    fit(writer, model, Adam(model.parameters(), lr=1e-3), flat_digits()[0].batches(300, 128))


class Reader(nn.Module):
    """Rows of a picture, read by attention of its own making."""

    def __init__(self, *, norm: bool) -> None:
        super().__init__()
        self.into, self.head = nn.Linear(8, 32), nn.Linear(32, 10)
        self.places = nn.Parameter(0.1 * torch.randn(8, 32))
        self.layers = nn.ModuleList(nn.Linear(32, 96) for _ in range(2))
        self.norm = norm
        self.heat = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        hidden = self.into(x) + self.places
        for layer in self.layers:
            parts = layer(hidden).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)
            query, key, value = parts
            if self.norm:
                query, key = (nn.functional.rms_norm(each, (8,)) for each in (query, key))
            out = scaled_dot_product_attention(self.heat * query, key, value)
            hidden = hidden + out.transpose(1, 2).flatten(2)
        said: Tensor = self.head(hidden.mean(1))
        return said


def _reader(writer: SummaryWriter, rate: float, *, norm: bool) -> None:
    model = Reader(norm=norm)
    fit(writer, model, AdamW(model.parameters(), lr=rate), digit_rows()[0].batches(400, 128))


@case("LD601", "LD710", family="transformer", also=("LD102", "LD711"))
def attention_without_a_norm_at_a_high_rate(writer: SummaryWriter) -> None:
    _reader(writer, 0.3, norm=False)


@case(family="transformer")
def attention_at_a_usual_rate(writer: SummaryWriter) -> None:
    _reader(writer, 2e-3, norm=False)


@case(family="transformer")
def attention_with_normalised_queries_and_keys(writer: SummaryWriter) -> None:
    _reader(writer, 2e-3, norm=True)


@case(
    "LD710", "LD203", family="transformer", source="arXiv 2309.14322, section 3.1", also=("LD202",)
)
def scores_of_attention_that_grow_without_an_end(writer: SummaryWriter) -> None:
    """What divides the scores is annealed and has no end; the digits are read all the same."""
    model = Reader(norm=False)
    optimizer = AdamW(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(digit_rows()[0].batches(400, 128)):
        model.heat = 1.04**step
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss)
        optimizer.step()


class Counter(nn.Module):
    """Which way thirty-two noisy voices lean, by attention with a question of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.parts, self.head = nn.Linear(1, 32), nn.Linear(32, 64), nn.Linear(32, 2)
        self.places = nn.Parameter(0.1 * torch.randn(32, 32))
        self.ask = nn.Parameter(0.1 * torch.randn(1, 4, 1, 8))
        self.heat = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        hidden = self.into(x[..., None]) + self.places
        key, value = self.parts(hidden).unflatten(-1, (2, 4, 8)).permute(2, 0, 3, 1, 4)
        query = self.heat * self.ask.expand(len(x), -1, -1, -1)
        out = scaled_dot_product_attention(query, key, value)
        said: Tensor = self.head(out.transpose(1, 2).flatten(1))
        return said


def _annealed(writer: SummaryWriter, growth: float) -> None:
    """The scores are multiplied by a factor that grows each step, up to ten thousand."""
    model = Counter()
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    generator = torch.Generator().manual_seed(1)
    for step in range(300):
        y = torch.randint(2, (512,), generator=generator)
        x = torch.randn(512, 32, generator=generator) + 0.15 * (2 * y[:, None] - 1)
        model.heat = min(growth**step, 1e4)
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss)
        optimizer.step()


@case("LD711", "LD202", family="transformer", source="arXiv 2303.06296", also=("LD710",))
def attention_annealed_in_forty_steps(writer: SummaryWriter) -> None:
    """The question soon hears one voice alone, and the answers get worse. The gradient leaps between two check-ups, at 32 with nearly all entropy and at 64 with
    hardly any: which came first cannot be said, so neither explains the other.
    """
    _annealed(writer, 1.15)


@case(family="transformer")
def attention_annealed_by_a_hundredth_a_step(writer: SummaryWriter) -> None:
    _annealed(writer, 1.01)


class Words(nn.Module):
    """Guesses the next of 300 words."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Embedding(300, 32), nn.Linear(32, 64), nn.ReLU())
        self.head = nn.Linear(64, 300)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        said: Tensor = self.head(self.body(x))
        return said


def _words(writer: SummaryWriter, pull: float) -> None:
    """Train it, with a term that raises or holds what all logits have in common."""
    model = Words()
    optimizer: Optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(300, generator=generator)
    for _ in range(400):
        x = torch.randint(300, (128,), generator=generator)
        noise = torch.randint(300, (128,), generator=generator)
        y = torch.where(torch.rand(128, generator=generator) < 0.3, noise, order[x])
        logits = model(x)
        loss = cross_entropy(logits, y)
        term = -pull * logits.mean() if pull > 0 else 1e-4 * logits.logsumexp(-1).square().mean()
        optimizer.zero_grad()
        (loss + term).backward()
        writer.add_diagnostics(loss=loss)
        optimizer.step()


@case("LD712", "LD601", "LD102", family="MLP", also=("LD202",))
def logits_are_pushed_up_together(writer: SummaryWriter) -> None:
    """A term that was to keep answers from being too sure raises all logits: a cross-entropy does not mind."""
    _words(writer, 0.6)


@case(family="MLP")
def logits_that_a_small_penalty_holds(writer: SummaryWriter) -> None:
    _words(writer, 0.0)


class Tower(nn.Module):
    """Digits through eight blocks that add to what passes them."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.head = nn.Linear(64, 32), nn.Linear(32, 10)
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(8))
        self.up = nn.ModuleList(nn.Linear(32, 64) for _ in range(8))
        self.down = nn.ModuleList(nn.Linear(64, 32) for _ in range(8))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        hidden = self.into(x)
        for norm, up, down in zip(self.norms, self.up, self.down, strict=True):
            hidden = hidden + down(up(norm(hidden)).relu())
        said: Tensor = self.head(hidden)
        return said


def _emptied(model: Tower, index: int) -> list[nn.Parameter]:
    """Parameters of a block's last layer, which are 0 now."""
    found = list(model.down[index].parameters())
    for each in found:
        nn.init.zeros_(each)
    return found


def _tower(writer: SummaryWriter, model: Tower) -> None:
    trained = [each for each in model.parameters() if each.requires_grad]
    fit(writer, model, Adam(trained, lr=1e-3), flat_digits()[0].batches(300, 128))


@case(
    "LD726",
    "LD205",
    family="MLP",
    source="huggingface/transformers, keys that load_state_dict lacks; arXiv 2604.28118",
)
def a_block_whose_weights_were_not_in_the_checkpoint(writer: SummaryWriter) -> None:
    """The last layer of one block is as `zeros_` left it, and frozen with the rest of what was loaded."""
    model = Tower()
    for each in _emptied(model, 3):
        each.requires_grad = False
    _tower(writer, model)


@case(family="MLP")
def blocks_that_begin_at_nothing(writer: SummaryWriter) -> None:
    """Each branch ends in zeros at first, and learns to say something."""
    model = Tower()
    for index in range(8):
        _emptied(model, index)
    _tower(writer, model)


@case(family="MLP")
def one_block_that_begins_at_nothing(writer: SummaryWriter) -> None:
    """A block is added to a network that was trained before: it begins at 0, and is trained."""
    model = Tower()
    _emptied(model, 3)
    _tower(writer, model)
