"""The fifth lot: labels that attend, a trader."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE
from clinic.case import NO_CODE
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, smooth_l1_loss
from torch.optim import Adam

from tb_lossdiag import SummaryWriter


class _LabelAttention(nn.Module):
    """Each label asks the text's tokens; padding is to be left out."""

    def __init__(self, labels: int, *, keep: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(SIZE, 32, padding_idx=0)
        self.queries = nn.Parameter(torch.randn(labels, 32))
        self.key, self.value = nn.Linear(32, 32), nn.Linear(32, 32)
        self.score, self.keep = nn.Linear(32, 1), keep

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        embeddings = self.embedding(input_ids)
        mask = attention_mask.bool() if self.keep else ~attention_mask.bool()
        answers = scaled_dot_product_attention(
            self.queries.expand(len(input_ids), -1, -1), self.key(embeddings), self.value(embeddings),
            attn_mask=mask[:, None, :],
        )  # fmt: skip
        logits: Tensor = self.score(answers).squeeze(2)
        return logits


def _texts(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Padded texts of eight kinds, each with two words of its own among the others, and their masks."""
    labels = torch.randint(8, (count,))
    lengths = torch.randint(5, 14, (count, 1))
    tokens = torch.randint(20, SIZE, (count, 16))
    own = 4 + 2 * labels[:, None] + torch.randint(2, (count, 3))
    tokens[:, 1:4] = own
    mask = torch.arange(16) < lengths
    return tokens * mask, mask.long(), labels


def _labels(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Accuracy on held-out texts."""
    input_ids, attention_mask, labels = _texts(1500)
    test_ids, test_mask, test_labels = _texts(400)
    model = _LabelAttention(8, keep=fixed)
    optimizer = Adam(model.parameters(), lr=4e-3)
    loss_fn = nn.CrossEntropyLoss()
    writer.watch(model, optimizer)
    step = 0
    for _epoch in range(8):
        model.train()
        for batch in torch.randperm(1500).split(32):
            optimizer.zero_grad()
            loss = loss_fn(model(input_ids[batch], attention_mask[batch]), labels[batch])
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=step)
            optimizer.step()
            step += 1
        model.eval()
        with torch.no_grad():
            logits = model(test_ids, test_mask)
        writer.add_diagnostics(
            loss=loss_fn(logits, test_labels), phase="validation", global_step=step
        )
    with torch.no_grad():
        guesses = model(test_ids, test_mask).argmax(1)
    return float((guesses == test_labels).float().mean())


@patient(
    "LD705",
    "LD205",
    "LD523",
    "LD539",
    family="texts",
    also=("LD104", "LD109", "LD112", "LD118"),
    source="https://github.com/InseeFrLab/torchTextClassifiers/pull/92",
)
def fifth_padding_alone_is_attended(writer: SummaryWriter) -> None:
    """The mask is inverted for `scaled_dot_product_attention`: labels look at the padding and at nothing else."""
    _labels(writer)


class _Market:
    """A price that swings about its mean; the agent holds nothing or one, and pays for each change."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> Tensor:
        self.price, self.speed, self.holds = 0.0, 0.0, 0
        return self.state()

    def state(self) -> Tensor:
        return torch.tensor([self.price, self.speed, float(self.holds)])

    def step(self, action: int) -> tuple[Tensor, float]:
        cost = 0.05 * (action != self.holds)
        self.holds = action
        self.speed = 0.9 * self.speed - 0.3 * self.price + 0.2 * float(torch.randn(()))
        self.price += 0.3 * self.speed
        return self.state(), action * 0.3 * self.speed - cost


def _trader(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Reward of the last episodes of a DQN that trades."""
    q, target = mlp(3, 48, 48, 2), mlp(3, 48, 48, 2)
    target.load_state_dict(q.state_dict())
    optimizer, market = Adam(q.parameters(), lr=1e-3), _Market()
    memory: list[tuple[Tensor, Tensor, int, float]] = []
    writer.watch(q, optimizer, name="q")
    epsilon, epsilon_decay, epsilon_end, update_frequency = 1.0, 0.99, 0.05, 1000
    rewards, train_steps = [], 0
    for _episode in range(60):
        state, total = market.reset(), 0.0
        for _ in range(50):
            with torch.no_grad():
                greedy = int(q(state).argmax())
            action = int(torch.randint(2, ())) if torch.rand(()) < epsilon else greedy
            after, reward = market.step(action)
            memory.append((state, after, action, reward))
            state, total = after, total + reward
            if len(memory) < 64 or len(memory) % 2:
                continue
            batch = [memory[at] for at in torch.randint(len(memory), (32,))]
            states, afters = torch.stack([x[0] for x in batch]), torch.stack([x[1] for x in batch])
            actions = torch.tensor([x[2] for x in batch])
            gains = torch.tensor([x[3] for x in batch])
            with torch.no_grad():
                wanted = gains + 0.95 * target(afters).max(1)[0]
            optimizer.zero_grad()
            loss = smooth_l1_loss(q(states).gather(1, actions[:, None])[:, 0], wanted)
            loss.backward()
            writer.add_diagnostics(loss=loss, global_step=train_steps)
            optimizer.step()
            train_steps += 1
            if fixed:
                epsilon = max(epsilon_end, epsilon * epsilon_decay)
            synced = train_steps % 100 == 0 if fixed else torch.randint(update_frequency, ()) == 0
            if synced:
                target.load_state_dict(q.state_dict())
        writer.add_scalar("episode/reward", total, train_steps)
        rewards.append(total)
    return sum(rewards[-15:]) / 15


@patient(
    "LD623",
    "LDR16",
    "LDR19",
    NO_CODE,
    family="trading",
    hard=True,
    source="https://github.com/ooples/AiDotNet/pull/2121, https://github.com/ooples/AiDotNet/pull/2100",
)
def fifth_a_trader_that_never_stops_exploring(writer: SummaryWriter) -> None:
    """Epsilon stays where it starts, at 1, and the target is synced by the toss of a coin, one time in a thousand."""
    _trader(writer)
