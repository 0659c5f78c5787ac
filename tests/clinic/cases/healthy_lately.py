"""Healthy trainings as models of today have them: tuned a little, in bfloat16, by other optimizers and other schedules."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from clinic.case import case
from clinic.healthy_parts import classify, fit, mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, scaled_dot_product_attention
from torch.optim import SGD, Adam, AdamW, Muon
from torch.optim.lr_scheduler import LambdaLR

from tb_lossdiag import SummaryWriter
from tb_lossdiag.demo.digits import digits


def learned(steps: int = 600) -> nn.Sequential:
    """A net that knows digits, as one that is fine-tuned does."""
    training, _ = digits()
    model = mlp(64)
    optimizer = Adam(model.parameters(), lr=1e-3)
    for images, labels in training.batches(steps):
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model


@case(family="diffusion")
def a_denoiser_that_is_tuned(writer: SummaryWriter) -> None:
    """It could do it before: the loss is flat, and as noisy as the noise that is drawn."""
    training, _ = digits()
    model = mlp(128, 65, 64)
    optimizer = Adam(model.parameters(), lr=1e-3)

    def loss_of(images: Tensor, _: Tensor) -> Tensor:
        noise, level = torch.randn_like(images), torch.rand(len(images), 1)
        mixed = (1 - level).sqrt() * images + level.sqrt() * noise
        return mse_loss(model(torch.cat((mixed, level), 1)), noise)

    for images, labels in training.batches(2500):
        optimizer.zero_grad()
        loss_of(images, labels).backward()
        optimizer.step()
    fit(writer, model, Adam(model.parameters(), lr=1e-4), training.batches(400), loss_of)


@case(family="MLP")
def a_strong_model_is_tuned_a_little(writer: SummaryWriter) -> None:
    """What is left to learn is a tenth of its loss."""
    training, _ = digits()
    wrong = torch.rand(len(training.labels)) < 0.1
    training.labels[wrong] = torch.randint(10, (int(wrong.sum()),))
    model = learned(300)
    fit(
        writer,
        model,
        AdamW(model.parameters(), lr=5e-5),
        training.batches(400),
        lambda x, y: cross_entropy(model(x), y),
    )


class Rounding(AdamW):
    """AdamW of bfloat16 weights that rounds up or down by chance."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step on copies in float32, of which what bfloat16 cannot hold decides the odds."""
        weights = [weight for group in self.param_groups for weight in group["params"]]
        before = [weight.clone() for weight in weights]
        super().step(closure)
        for weight, old in zip(weights, before, strict=True):
            moved = self._wanted(weight, old)
            bits = moved.float().view(torch.int32) + torch.randint(
                0, 1 << 16, moved.shape, dtype=torch.int32
            )
            weight.copy_((bits & -65536).view(torch.float32))

    def _wanted(self, weight: Tensor, old: Tensor) -> Tensor:
        """Where the step leads without rounding."""
        state, group = self.state[weight], self.param_groups[0]
        first, second, count = state["exp_avg"], state["exp_avg_sq"], float(state["step"])
        beta, gamma = group["betas"]
        size = (second.float() / (1 - gamma**count)).sqrt() + group["eps"]
        wanted: Tensor = old.float() - group["lr"] * first.float() / (1 - beta**count) / size
        return wanted


@case(family="MLP")
def bfloat16_weights_rounded_by_chance(writer: SummaryWriter) -> None:
    training, _ = digits()
    model = mlp(64).bfloat16()
    optimizer = Rounding(model.parameters(), lr=1e-3, weight_decay=0.0)
    fit(
        writer,
        model,
        optimizer,
        training.batches(500),
        lambda x, y: cross_entropy(model(x.bfloat16()).float(), y),
    )


@case(family="MLP")
def momentum_is_forgotten_now_and_then(writer: SummaryWriter) -> None:
    """Every hundred steps the optimizer begins anew, with a short warm-up, as SPAM does."""
    training, _ = digits()
    model = mlp(64)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (images, labels) in enumerate(training.batches(500)):
        if step and step % 100 == 0:
            optimizer.state.clear()
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1.0, (step % 100 + 1) / 10)
        optimizer.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


def rows_of_unequal_length(steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Sequences whose next number is the sum of the two before, of which as many are scored as it happens."""
    for _ in range(steps):
        rows = torch.randint(0, 8, (16, 24))
        for place in range(2, 24):
            rows[:, place] = (rows[:, place - 1] + rows[:, place - 2]) % 8
        scored = torch.arange(24) < torch.randint(4, 24, (16, 1))
        yield rows, rows.masked_fill(~scored, -100)


class Reader(nn.Module):
    """Reads numbers and guesses the next."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cells, self.head = (
            nn.Embedding(8, 32),
            nn.GRU(32, 64, batch_first=True),
            nn.Linear(64, 8),
        )

    def forward(self, rows: Tensor) -> Tensor:
        answer: Tensor = self.head(self.cells(self.embed(rows))[0])
        return answer


@case(family="RNN")
def tokens_are_counted_over_all_parts(writer: SummaryWriter) -> None:
    """Four parts a step, each a sum over its scored tokens, divided by the number of all of them."""
    model = Reader()
    optimizer = AdamW(model.parameters(), lr=3e-3)
    writer.watch(model, optimizer)
    parts = rows_of_unequal_length(4 * 200)
    for step in range(200):
        four = [next(parts) for _ in range(4)]
        count = sum(int((labels[:, 1:] >= 0).sum()) for _, labels in four)
        optimizer.zero_grad()
        total = 0.0
        for rows, labels in four:
            logits = model(rows[:, :-1]).flatten(0, 1)
            loss = cross_entropy(logits, labels[:, 1:].flatten(), reduction="sum") / count
            loss.backward()
            total += float(loss)
        optimizer.step()
        writer.add_diagnostics(loss=total, global_step=step)


@case(family="MLP")
def constant_and_then_quickly_down(writer: SummaryWriter) -> None:
    """Warm-up, four fifths at one rate, then down: the loss falls once more at the end."""
    training, _ = digits()
    model = mlp(64)
    optimizer = AdamW(model.parameters(), lr=3e-3)
    plan = LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 20, max(0.0, (600 - step) / 120)))
    fit(
        writer,
        model,
        optimizer,
        training.batches(600),
        lambda x, y: cross_entropy(model(x), y),
        scheduler=plan,
    )


class Normed(nn.Module):
    """Attention over the rows of a digit, whose queries and keys are normalised; before that they are large."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Linear(8, 32), nn.Parameter(0.02 * torch.randn(8, 32))
        self.into, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
        self.queries, self.keys, self.norm = nn.RMSNorm(8), nn.RMSNorm(8), nn.LayerNorm(32)
        self.head = nn.Linear(32, 10)
        with torch.no_grad():
            self.into.weight[:64] *= 30

    def forward(self, images: Tensor) -> Tensor:
        states = self.embed(images.unflatten(1, (8, 8))) + self.place
        q, k, v = self.into(states).unflatten(2, (12, 8)).transpose(1, 2).chunk(3, 1)
        mixed = scaled_dot_product_attention(self.queries(q), self.keys(k), v)
        states = self.norm(states + self.out(mixed.transpose(1, 2).flatten(2)))
        answer: Tensor = self.head(states.mean(1))
        return answer


@case(family="transformer")
def queries_are_large_before_they_are_normalised(writer: SummaryWriter) -> None:
    model = Normed()
    classify(writer, model, AdamW(model.parameters(), lr=3e-3), 500)


@case(family="MLP")
def matrices_by_muon(writer: SummaryWriter) -> None:
    """The rest by AdamW."""
    training, _ = digits()
    model = mlp(64)
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    others = [weight for weight in model.parameters() if weight.dim() == 1]
    inner = Muon(matrices, lr=0.02, weight_decay=0.0)
    rest = AdamW(others, lr=1e-3, weight_decay=0.0)
    writer.watch(model, inner, name="matrices")
    writer.watch(model, rest, name="rest")
    for step, (images, labels) in enumerate(training.batches(400)):
        model.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()
        inner.step()
        rest.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case(family="MLP")
def rates_by_width(writer: SummaryWriter) -> None:
    """The rule of maximal updates: wide layers have a rate that is as much smaller as they are wider, the last begins at nothing."""
    model = mlp(256)
    linears = [module for module in model if isinstance(module, nn.Linear)]
    nn.init.zeros_(linears[-1].weight)
    groups = [
        {"params": list(layer.parameters()), "lr": 1e-2 * 64 / max(layer.in_features, 64)}
        for layer in linears
    ]
    classify(writer, model, Adam(groups, lr=1e-2), 500)


@case(family="MLP")
def a_running_mean_that_begins_anew_each_epoch(writer: SummaryWriter) -> None:
    """The loss that is logged is the mean since the epoch began: at each of them it jumps."""
    training, _ = digits()
    model = mlp(32)
    optimizer = SGD(model.parameters(), lr=0.05)
    seen: list[float] = []
    for step, (images, labels) in enumerate(training.batches(600)):
        seen = [] if step % 60 == 0 else seen
        optimizer.zero_grad()
        loss = cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        seen.append(float(loss))
        writer.add_scalar("train/loss", sum(seen) / len(seen), step)
        writer.add_scalar("train/learning_rate", 0.05, step)


class Routed(nn.Module):
    """Each picture goes to the best of eight experts."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(64, 8)
        self.experts = nn.ModuleList([mlp(32) for _ in range(8)])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        odds = self.router(images).softmax(1)
        best, chosen = odds.max(1)
        outputs = torch.zeros(len(images), 10)
        for place, expert in enumerate(self.experts):
            mine = chosen == place
            if mine.any():
                outputs[mine] = best[mine, None] * expert(images[mine])
        used = torch.bincount(chosen, minlength=8) / len(images)
        balance: Tensor = 8 * (used * odds.mean(0)).sum()
        return outputs, balance


@case(family="mixture")
def experts_in_their_first_steps(writer: SummaryWriter) -> None:
    """Loads are uneven at first, and nothing is wrong with that."""
    training, _ = digits()
    model = Routed()

    def loss_of(images: Tensor, labels: Tensor) -> Tensor:
        outputs, balance = model(images)
        total: Tensor = cross_entropy(outputs, labels) + 0.01 * balance
        return total

    fit(writer, model, Adam(model.parameters(), lr=3e-3), training.batches(60), loss_of)
