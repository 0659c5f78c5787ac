"""Faults of what a policy's loss is made of, with sound ones that look alike."""

from __future__ import annotations

import torch
from clinic.case import case
from torch import Tensor, nn
from torch.distributions import Categorical, Normal
from torch.nn.functional import log_softmax
from torch.optim import SGD, Adam

from tb_lossdiag import SummaryWriter


class _Hand(nn.Module):
    """Where to move to, with a spread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(3, 32), nn.Linear(32, 2)
        self.log_spread = nn.Parameter(torch.zeros(2))

    def forward(self, seen: Tensor) -> Normal:
        return Normal(self.outer(self.inner(seen).tanh()), self.log_spread.exp())


def _reach(writer: SummaryWriter, *, stored: bool) -> None:
    """Passes in mixed-up parts over each set of moves, as single-file implementations of PPO have them."""
    hand = _Hand()
    optimizer = Adam(hand.parameters(), lr=2e-3)
    writer.watch(hand, optimizer)
    step = 0
    for _ in range(20):
        with torch.no_grad():
            seen = torch.randn(256, 3)
            moves = hand(seen).sample()
            before = hand(seen).log_prob(moves).sum(1)
            paid = -(moves - seen[:, :2] * 0.7).square().sum(1)
        for _ in range(4):
            for rows in torch.randperm(256).split(64):
                now = hand(seen[rows]).log_prob(moves[rows]).sum(1)
                gain = (paid[rows] - paid.mean()) / paid.std()
                ratio = torch.exp(now - (before[rows] if stored else now.detach()))
                bounded = torch.clamp(ratio, 0.8, 1.2)
                loss = torch.max(-gain * ratio, -gain * bounded).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                writer.add_diagnostics(loss=loss, global_step=step)
                step += 1


@case("LD531", family="policies")
def moves_against_themselves(writer: SummaryWriter) -> None:
    """Sixteen steps with each set of moves, and every old probability is the new one."""
    _reach(writer, stored=False)


@case(family="policies")
def moves_as_they_were_drawn(writer: SummaryWriter) -> None:
    """The same with the probabilities of when they were drawn."""
    _reach(writer, stored=True)


def _table(
    writer: SummaryWriter, *, passes: int, stored: bool, start: float = 0.3, rate: float = 3.0
) -> None:
    """A table of preferences for 40 places and five doors; a ratio of probabilities, not of their logarithms."""
    table = nn.ParameterDict({"preferences": start * torch.randn(40, 5)})
    right = torch.randint(5, (40,))
    optimizer = SGD(table.parameters(), lr=rate)
    writer.watch(table, optimizer)
    step = 0
    for _ in range(300 // passes):
        with torch.no_grad():
            place = torch.randint(40, (128, 1))
            given = table["preferences"][place[:, 0]].softmax(1)
            door = torch.multinomial(given, 1)
            gain = (door == right[place]).float() - 0.2
            before = given.gather(1, door)
        for _ in range(passes):
            now = table["preferences"][place[:, 0]].softmax(1).gather(1, door)
            ratio = now / (before if stored else now.detach())
            loss = -torch.minimum(ratio * gain, ratio.clip(0.7, 1.3) * gain).mean()
            optimizer.zero_grad()
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1


@case("LD531", family="policies")
def doors_against_themselves(writer: SummaryWriter) -> None:
    """Six passes over the same doors, each of them against itself."""
    _table(writer, passes=6, stored=False)


@case(family="policies")
def doors_that_are_used_once(writer: SummaryWriter) -> None:
    """One pass over each set: the ratio is 1, and should be."""
    _table(writer, passes=1, stored=False)


@case(family="policies")
def doors_as_they_were_chosen(writer: SummaryWriter) -> None:
    """Six passes, against the probabilities of when they were chosen."""
    _table(writer, passes=6, stored=True)


@case(family="policies")
def doors_that_begin_alike(writer: SummaryWriter) -> None:
    """Preferences of hardly anything, beside which the first steps are large: there is nothing that they could spoil."""
    _table(writer, passes=1, stored=True, start=0.01, rate=8.0)


@case(family="policies")
def doors_that_are_learned_in_a_few_steps(writer: SummaryWriter) -> None:
    """Preferences that are small beside a usual initialisation, and steps of several times their size."""
    _table(writer, passes=6, stored=True, start=0.05, rate=8.0)


@case(family="policies")
def answers_of_one_use(writer: SummaryWriter) -> None:
    """Groups of answers to the same questions again and again, drawn anew and used once, with a ratio of 1 in a clamp as GRPO has it."""
    writing = nn.Sequential(nn.Embedding(12, 24), nn.Linear(24, 9))
    optimizer = Adam(writing.parameters(), lr=3e-3)
    writer.watch(writing, optimizer)
    asked = torch.arange(8).repeat_interleave(8)[:, None] + torch.zeros(1, 4).long()
    for step in range(200):
        scores = log_softmax(writing(asked), -1)
        words = Categorical(logits=scores.detach()).sample()
        told = scores.gather(-1, words[..., None])[..., 0]
        paid = (words == asked % 9).float().mean(1).view(8, 8)
        gain = (paid - paid.mean(1, keepdim=True)) / (paid.std(1, keepdim=True) + 1e-4)
        ratio = torch.exp(told - told.detach())
        weight = gain.view(-1, 1)
        loss = -torch.min(ratio * weight, torch.clamp(ratio, 0.8, 1.2) * weight).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


def _served(writer: SummaryWriter, *, undone: bool) -> None:
    """Which of six offers a guest takes, paid in cents; a judge of its own, in hundreds, with an optimizer of its own."""
    choose, judge = nn.Linear(8, 6), nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
    worth = 100 * torch.randn(8, 6)
    of_choose, of_judge = SGD(choose.parameters(), lr=0.0003), Adam(judge.parameters(), lr=1e-2)
    writer.watch(choose, of_choose, name="choose")
    writer.watch(judge, of_judge, name="judge")
    for step in range(250):
        guests = torch.randn(200, 8)
        offers = Categorical(logits=choose(guests))
        offer = offers.sample()
        paid = (guests @ worth).gather(1, offer[:, None])[:, 0] + 50 * torch.randn(200)
        judged = judge(guests).squeeze(1)
        expected = judged.detach() * 100 if undone else judged.detach()
        policy = -torch.mean(offers.log_prob(offer) * (paid - expected))
        value = ((judged - paid / 100) ** 2).mean()
        of_choose.zero_grad()
        of_judge.zero_grad()
        (policy + value).backward()
        of_choose.step()
        of_judge.step()
        writer.add_diagnostics(loss=policy + value, global_step=step)


@case("LD532", family="policies")
def cents_less_hundreds(writer: SummaryWriter) -> None:
    """The judge answers in hundreds, and what was paid is in cents."""
    _served(writer, undone=False)


@case(family="policies")
def hundreds_less_hundreds(writer: SummaryWriter) -> None:
    """The same in one unit."""
    _served(writer, undone=True)


def _verses(writer: SummaryWriter, way: str) -> None:
    """Lines of several lengths; what a word is worth is centred in one of three ways."""
    words = nn.GRU(6, 32, batch_first=True)
    say = nn.Linear(32, 7)
    model = nn.ModuleList([words, say])
    optimizer = Adam(model.parameters(), lr=2e-3)
    writer.watch(model, optimizer)
    for step in range(150):
        asked = torch.randn(24, 20, 6)
        there = torch.arange(20) < torch.randint(4, 15, (24, 1))
        scores = say(words(asked)[0]).log_softmax(-1)
        said = Categorical(logits=scores.detach()).sample()
        worth = (2.0 + (said == asked[..., 0].sign().add(2)).float()) * there
        if way == "places":
            weight = (worth - worth.mean()) / worth.std()
        elif way == "words":
            mean = worth.sum() / there.sum()
            weight = (worth - mean) / worth[there].std()
        else:
            line = worth.sum(1, keepdim=True) / there.sum(1, keepdim=True)
            weight = ((line - line.mean()) / line.std()).expand(24, 20)
        told = scores.gather(-1, said.unsqueeze(-1)).squeeze(-1)
        loss = torch.sum(-told * weight * there) / there.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@case("LD533", family="policies")
def verses_centred_with_what_is_blank(writer: SummaryWriter) -> None:
    """Half of all places are blank, and count in the mean."""
    _verses(writer, "places")


@case(family="policies")
def verses_centred_by_their_words(writer: SummaryWriter) -> None:
    """The mean is of words."""
    _verses(writer, "words")


@case(family="policies")
def verses_centred_by_line(writer: SummaryWriter) -> None:
    """One weight for each line, centred over lines."""
    _verses(writer, "lines")
