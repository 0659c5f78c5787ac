"""Small programs after reports of wrong training in plain loops, with what each of them does right beside them.

They were written before anything was measured; when they were, 4 of the 20 that they come from were named.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from clinic.abroad import patient
from clinic.data import flat_digits, friedman
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, mse_loss
from torch.optim import SGD, Adam, AdamW
from torch.optim.lr_scheduler import StepLR

from tb_lossdiag import SummaryWriter

STEPS = 300


class _Reversed(torch.autograd.Function):
    """The same values, and a gradient that is turned round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.neg() * ctx.strength, None


def _two_domains(writer: SummaryWriter, gamma: float) -> None:
    """Digits and darker digits: features that tell classes, and not domains. The strength grows to the sign of `gamma`."""
    digits, _ = flat_digits()
    features, classes, domains = mlp(64, 64, 32), mlp(32, 10), mlp(32, 32, 2)
    model = nn.ModuleDict({"features": features, "classes": classes, "domains": domains})
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(digits.batches(STEPS)):
        strength = float(2 / (1 + torch.tensor(-gamma * step / STEPS).exp()) - 1)
        seen, other = features(x), features(0.8 * x + 0.7)
        pairs = torch.cat([_Reversed.apply(each, strength) for each in (seen, other)])  # type: ignore[no-untyped-call]
        known = cross_entropy(classes(seen), y)
        where = cross_entropy(domains(pairs), torch.arange(2).repeat_interleave(len(x)))
        optimizer.zero_grad()
        (known + where).backward()
        terms = {"class": known, "domain": where}
        writer.add_diagnostics(loss=known + where, loss_terms=terms, global_step=step)
        optimizer.step()


@patient("LD630", family="domain adaptation", source="CuthbertCai/pytorch_DANN issue 10")
def a_reversal_that_is_turned_round_twice(writer: SummaryWriter) -> None:
    """The strength is negative, and so is the function."""
    _two_domains(writer, -10)


@patient(family="domain adaptation", also=("LD405",))
def a_reversal_as_it_is_meant(writer: SummaryWriter) -> None:
    """One reversal, of the strength that it is meant to have."""
    _two_domains(writer, 10)


def _in_parts(writer: SummaryWriter, *, reset_each: bool) -> None:
    digits, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = AdamW(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    parts = 4
    for part, (x, y) in enumerate(digits.batches(parts * STEPS // 2)):
        if reset_each or part % parts == 0:
            optimizer.zero_grad(set_to_none=True)
        (cross_entropy(model(x), y) / parts).backward()
        if part % parts == parts - 1:
            optimizer.step()


@patient("LD628", family="MLP", source="bytetriper/RAE issue 67, ZiqiaoPeng/DualTalk issue 9")
def gradients_reset_before_each_part(writer: SummaryWriter) -> None:
    """`zero_grad` stands inside the loop over the four parts of a step."""
    _in_parts(writer, reset_each=True)


@patient(family="MLP")
def gradients_reset_before_each_step(writer: SummaryWriter) -> None:
    """Four parts are added up, and reset once a step."""
    _in_parts(writer, reset_each=False)


def _validated(writer: SummaryWriter, *, switched: bool) -> None:
    """Dropout and batch normalisation, validated every 30 steps."""
    training, held_out = flat_digits()
    layers = (nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))
    model = nn.Sequential(*layers)
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(training.batches(STEPS)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 30 == 29:
            model.train(not switched)
            with torch.no_grad():
                loss = cross_entropy(model(held_out.x), held_out.y)
            model.train()
            writer.add_diagnostics(loss=loss, phase="validation", global_step=step)


@patient(
    "LD627",
    family="MLP",
    source="wolny/pytorch-3dunet issue 53, deep-learning-with-pytorch/dlwpt-code issue 104",
)
def validated_without_eval(writer: SummaryWriter) -> None:
    """Dropout and the batch's own statistics are on while the held-out part is looked at."""
    _validated(writer, switched=False)


@patient(family="MLP")
def validated_in_eval(writer: SummaryWriter) -> None:
    """The model is switched to `eval()` for it, and back."""
    _validated(writer, switched=True)


@patient(
    "LD904",
    family="MLP",
    source="ClementPinard/SfmLearner-Pytorch issue 5, pyro-ppl/pyro issue 1242",
)
def the_scheduler_steps_and_the_optimizer_does_not(writer: SummaryWriter) -> None:
    """`else: optimizer.step()`, behind `if scheduler:`."""
    digits, _ = flat_digits()
    model = mlp(64, 64, 10)
    optimizer = Adam(model.parameters(), lr=2e-4)
    scheduler = StepLR(optimizer, 100, 0.5)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(digits.batches(STEPS)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        scheduler.step()


def _advantages(writer: SummaryWriter, *, squeezed: bool) -> None:
    """A bandit with contexts: policy and value on one body."""
    body, choices, worth = mlp(4, 64), nn.Linear(64, 2), nn.Linear(64, 1)
    model = nn.ModuleDict({"body": body, "policy": choices, "value": worth})
    optimizer = Adam(model.parameters(), lr=1e-3)
    writer.watch(model, optimizer)
    for step in range(2 * STEPS):
        state = torch.randn(64, 4)
        hidden = body(state).relu()
        likely, value = log_softmax(choices(hidden), 1), worth(hidden)
        action = torch.multinomial(likely.exp(), 1)[:, 0]
        reward = (action == (state[:, 0] > 0)).float() + 0.3 * state[:, 1]
        critic = mse_loss(value[:, 0], reward)
        gain = reward - (value[:, 0] if squeezed else value).detach()
        actor = -(gain * likely[torch.arange(64), action]).mean()
        optimizer.zero_grad()
        (actor + critic).backward()
        terms = {"policy": actor, "value": critic}
        writer.add_diagnostics(loss=actor + critic, loss_terms=terms, global_step=step)
        optimizer.step()


@patient(
    "LD504",
    family="actor-critic",
    also=("LD401",),
    source="PacktPublishing/Deep-Reinforcement-Learning-Hands-On issue 33, pytorch/rl issue 1243",
)
def advantages_of_all_against_all(writer: SummaryWriter) -> None:
    """`returns - values.detach()` with (N,) and (N, 1)."""
    _advantages(writer, squeezed=False)


@patient(family="actor-critic", also=("LD401",))
def advantages_of_one_shape(writer: SummaryWriter) -> None:
    """Both are (N,)."""
    _advantages(writer, squeezed=True)


class _Gated(nn.Module):
    """A residual layer behind a gate of two layers, the last of which, or both, begin at 0."""

    def __init__(self, *, both: bool) -> None:
        super().__init__()
        self.enter, self.branch, self.leave = (
            nn.Linear(64, 64),
            nn.Linear(64, 64),
            nn.Linear(64, 10),
        )
        first, last = nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False)
        self.gate = nn.Sequential(first, nn.GELU(), last, nn.Tanh())
        for layer in (first, last) if both else (last,):
            nn.init.zeros_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.enter(x).relu()
        branch = self.branch(hidden)
        answer: Tensor = self.leave(hidden + self.gate(branch) * branch)
        return answer


def _fit(writer: SummaryWriter, model: nn.Module) -> None:
    digits, _ = flat_digits()
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(digits.batches(STEPS)):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@patient("LD722", family="MLP", source="yz93/LAVT-RIS issue 25")
def a_gate_whose_layers_both_begin_at_zero(writer: SummaryWriter) -> None:
    """Neither layer lets a gradient through to the other."""
    _fit(writer, _Gated(both=True))


@patient(family="MLP")
def a_gate_whose_last_layer_begins_at_zero(writer: SummaryWriter) -> None:
    """The branch begins closed, and the first step opens it."""
    _fit(writer, _Gated(both=False))


class _Numbered(nn.Module):
    """Attention over eight numbers of sixteen, with places that are counted along the sequence or along the batch."""

    def __init__(self, *, along: int) -> None:
        super().__init__()
        self.along = along
        self.numbers, self.places = nn.Embedding(16, 32), nn.Embedding(64, 32)
        layer = nn.TransformerEncoderLayer(32, 2, 64, 0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[self.along])
        places = places[None] if self.along else places[:, None]
        answer: Tensor = self.head(self.layers(self.numbers(x) + self.places(places)).mean(1))
        return answer


def _first_number(writer: SummaryWriter, *, along: int) -> None:
    model = _Numbered(along=along)
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step in range(STEPS):
        x = torch.randint(0, 16, (32, 8))
        optimizer.zero_grad()
        loss = cross_entropy(model(x), x[:, 0])
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


@patient(
    "LD718",
    family="transformer",
    source="cmu-l3/anlp-fall2025-code issue 1, AkiRusProd/numpy-transformer issue 1",
)
def places_counted_along_the_batch(writer: SummaryWriter) -> None:
    """`torch.arange(x.size(0))`, in a batch as large as the model is wide."""
    _first_number(writer, along=0)


@patient(family="transformer")
def places_counted_along_the_sequence(writer: SummaryWriter) -> None:
    """`torch.arange(x.size(1))`, as it is meant."""
    _first_number(writer, along=1)


@patient("LD535", family="Q-learning", source="datawhalechina/easy-rl pull request 117", hard=True)
def a_target_network_that_is_the_policy(writer: SummaryWriter) -> None:
    """One network under two names, and a gradient through what it is compared with."""
    policy = target = mlp(4, 64, 2)
    optimizer = Adam(policy.parameters(), lr=1e-3)
    writer.watch(policy, optimizer)
    for step in range(2 * STEPS):
        state, action = torch.randn(64, 4), torch.randint(0, 2, (64, 1))
        after = state + 0.3 * torch.randn(64, 4)
        reward, goes_on = state[:, :1] * (2 * action - 1), (torch.rand(64, 1) > 0.05).float()
        best = policy(after).max(1, keepdim=True)[1]
        wanted = reward + 0.99 * target(after).gather(1, best) * goes_on
        optimizer.zero_grad()
        loss = mse_loss(policy(state).gather(1, action), wanted)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()


class _Wrapped(nn.Module):
    """As `torch.compile` names what it wraps."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._orig_mod = model

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self._orig_mod(x)
        return answer


@patient("LD623", family="regression", source="wandb/senpai pull request 2899")
def an_average_that_knows_other_names(writer: SummaryWriter) -> None:
    """The average is updated by name, and the wrapper has given all parameters a prefix."""
    training, held_out = friedman().split(800)
    model = mlp(10, 32, 1)
    average = copy.deepcopy(model)
    kept, trained = dict(average.named_parameters()), _Wrapped(model)
    optimizer = AdamW(trained.parameters(), lr=1e-3)
    writer.watch(trained, optimizer)
    for step, (x, y) in enumerate(training.batches(2 * STEPS)):
        optimizer.zero_grad()
        loss = mse_loss(trained(x), y)
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        with torch.no_grad():
            for name, parameter in trained.named_parameters():
                if name in kept:
                    kept[name].lerp_(parameter, 0.01)
            if step % 30 == 29:
                loss = mse_loss(average(held_out.x), held_out.y)
                writer.add_diagnostics(loss=loss, phase="validation", global_step=step)
