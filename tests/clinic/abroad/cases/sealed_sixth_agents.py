"""The sixth lot: agents by hand, on a small maze and on many poles at once."""

from __future__ import annotations

import torch
from clinic.abroad import patient
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.distributions import Categorical
from torch.optim import Adam

from tb_lossdiag import SummaryWriter

SIZE = 5
MOVES = torch.tensor([[0, 1], [0, -1], [1, 0], [-1, 0]])


def _moved(places: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Next places in a maze of 5 x 5, rewards, and whether the far corner is reached."""
    after = (places + MOVES[actions]).clamp(0, SIZE - 1)
    done = (after == SIZE - 1).all(1)
    return after, done.float(), done


def _seen(places: Tensor) -> Tensor:
    return nn.functional.one_hot(places[:, 0] * SIZE + places[:, 1], SIZE * SIZE).float()


def _reached(net: nn.Module) -> float:
    """Share of places from which the greedy agent reaches the corner within 12 moves."""
    places = torch.cartesian_prod(torch.arange(SIZE), torch.arange(SIZE))[:-1]
    arrived = torch.zeros(len(places), dtype=torch.bool)
    for _ in range(12):
        with torch.no_grad():
            places, _, done = _moved(places, net(_seen(places)).argmax(1))
        arrived |= done
    return float(arrived.float().mean())


def _q_learning(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Deep Q-learning from moves made at random, with a target network."""
    eval_net, target_net = (
        nn.Sequential(nn.Linear(SIZE * SIZE, 64), nn.ReLU(), nn.Linear(64, 4)) for _ in range(2)
    )
    optimizer = Adam(eval_net.parameters(), lr=2e-3)
    writer.watch(eval_net, optimizer)
    for step in range(800):
        s, a = torch.randint(SIZE, (64, 2)), torch.randint(4, (64,))
        s_, r, done = _moved(s, a)
        q_eval = eval_net(_seen(s)).gather(1, a[:, None])[:, 0]
        with torch.no_grad():
            q_target = r + 0.9 * ~done * target_net(_seen(s_)).max(1).values
        loss = nn.functional.mse_loss(q_eval, q_target)
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        if step % 40 == 0:
            source = eval_net if fixed else target_net
            target_net.load_state_dict(source.state_dict())
    return _reached(eval_net)


@patient("LD623", family="games", source="https://github.com/thesouther/MARL/issues/8")
def sixth_a_target_that_loads_itself(writer: SummaryWriter) -> None:
    """`target_net.load_state_dict(target_net.state_dict())`: what is bootstrapped from stays as it was drawn."""
    _q_learning(writer)


class Poles:
    """Poles on carts, as in CartPole-v1, many at once; one that falls is set up anew."""

    def __init__(self, count: int) -> None:
        self.state = 0.1 * torch.rand(count, 4) - 0.05
        self.age = torch.zeros(count)
        self.ages: list[float] = []

    def step(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """Push left or right; a reward of 1 each, and whether each has fallen."""
        x, speed, angle, turn = self.state.unbind(1)
        push = 20.0 * action.float() - 10.0
        part = (push + 0.05 * turn**2 * angle.sin()) / 1.1
        bend = 9.8 * angle.sin() - angle.cos() * part
        bend = bend / (0.5 * (4 / 3 - 0.1 * angle.cos() ** 2 / 1.1))
        drive = part - 0.05 * bend * angle.cos() / 1.1
        moved = (x + 0.02 * speed, speed + 0.02 * drive, angle + 0.02 * turn, turn + 0.02 * bend)
        self.state = torch.stack(moved, 1)
        self.age += 1
        fallen = (self.state[:, 0].abs() > 2.4) | (self.state[:, 2].abs() > 0.21)
        fallen |= self.age >= 500
        self.ages += self.age[fallen].tolist()
        self.age[fallen] = 0.0
        fresh = 0.1 * torch.rand(len(fallen), 4) - 0.05
        self.state = torch.where(fallen[:, None], fresh, self.state)
        return torch.ones(len(fallen)), fallen

    def lately(self) -> float:
        """Mean age at which the last forty fell, those that stand being counted at their age."""
        ended = self.ages[-40:] + self.age.tolist()
        return sum(ended) / len(ended)


class Mazes:
    """Walkers in as many mazes; one that has reached the far corner begins anew, as does one that is tired."""

    def __init__(self, count: int) -> None:
        self.places = torch.zeros(count, 2, dtype=torch.long)
        self.age = torch.zeros(count)
        self.found: list[float] = []

    @property
    def state(self) -> Tensor:
        """One-hot places."""
        return _seen(self.places)

    def step(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """Go right, left, down or up; a reward of 1 in the corner and of 0.2 next door, and whether each walk has ended."""
        self.places, reward, arrived = _moved(self.places, action)
        near = (self.places == torch.tensor([0, 1])).all(1)
        reward = reward + 0.2 * near
        self.age += 1
        ended = arrived | near | (self.age >= 40)
        self.found += reward[ended].tolist()
        self.places = torch.where(ended[:, None], 0, self.places)
        self.age[ended] = 0.0
        return reward, ended

    def lately(self) -> float:
        """Mean reward of the last walks."""
        return sum(self.found[-100:]) / max(1, len(self.found[-100:]))


class ActorCritic(nn.Module):
    """Two small nets."""

    def __init__(self, seen: int, actions: int) -> None:
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(seen, 32), nn.Tanh(), nn.Linear(32, actions))
        self.critic = nn.Sequential(nn.Linear(seen, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.actor(state), self.critic(state)[..., 0]


def _rollout(model: ActorCritic, world: Poles | Mazes, steps: int) -> dict[str, Tensor]:
    names = ("state", "action", "value", "reward", "done")
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    with torch.no_grad():
        for _ in range(steps):
            state = world.state
            logits, value = model(state)
            action = Categorical(logits=logits).sample()
            reward, done = world.step(action)
            for name, row in zip(names, (state, action, value, reward, done.float()), strict=True):
                rows[name].append(row)
        rows["value"].append(model(world.state)[1])
    return {name: torch.stack(row) for name, row in rows.items()}


def _gae(data: dict[str, Tensor], *, bootstrap_ends: bool, lam: float) -> Tensor:
    """Generalised advantages."""
    value, done = data["value"], data["done"]
    advantages, gae = torch.zeros_like(done), torch.zeros_like(done[0])
    for t in reversed(range(len(done))):
        goes_on = 1.0 - done[t]
        next_value = value[t + 1] if bootstrap_ends else value[t + 1] * goes_on
        gae = data["reward"][t] + 0.99 * next_value - value[t] + 0.99 * lam * goes_on * gae
        advantages[t] = gae
    return advantages


def _ppo(
    writer: SummaryWriter,
    model: ActorCritic,
    world: Poles | Mazes,
    *,
    entropy_coef: float = 0.01,
    bootstrap_ends: bool = False,
    lam: float = 0.95,
    normalised: bool = True,
) -> float:
    """Proximal policy optimisation; how well it goes at the end."""
    optimizer = Adam(model.parameters(), lr=2.5e-3)
    writer.watch(model, optimizer)
    step = 0
    for _update in range(30):
        data = _rollout(model, world, 64)
        adv = _gae(data, bootstrap_ends=bootstrap_ends, lam=lam)
        returns = (adv + data["value"][:-1]).flatten()
        state, action = data["state"].flatten(0, 1), data["action"].flatten()
        adv = adv.flatten()
        if normalised:
            adv = (adv - adv.mean()) / (adv.std() + 1e-8)
        with torch.no_grad():
            old = Categorical(logits=model(state)[0]).log_prob(action)
        for rows in torch.cat([torch.randperm(len(state)) for _ in range(3)]).split(256):
            logits, value = model(state[rows])
            dist = Categorical(logits=logits)
            ratio = (dist.log_prob(action[rows]) - old[rows]).exp()
            surrogate = torch.min(ratio * adv[rows], ratio.clamp(0.8, 1.2) * adv[rows])
            policy_loss = -surrogate.mean()
            value_loss = (returns[rows] - value).pow(2).mean()
            entropy = dist.entropy().mean()
            loss = policy_loss + 0.5 * value_loss - entropy_coef * entropy
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            terms = {"policy": policy_loss, "value": (value_loss, 0.5)}
            terms["entropy"] = (entropy, -entropy_coef)
            writer.add_diagnostics(
                loss=loss, loss_terms=terms, extra={"went_well": world.lately()}, global_step=step
            )
            optimizer.step()
            step += 1
    return world.lately()


def _ends(writer: SummaryWriter, *, fixed: bool = False) -> float:
    return _ppo(writer, ActorCritic(4, 2), Poles(16), bootstrap_ends=not fixed, lam=0.5)


@patient(
    NO_CODE,
    family="games",
    also=("LD532",),
    source="https://github.com/RLinf/RLinf/pull/661",
    hard=True,
)
def sixth_a_value_after_the_end(writer: SummaryWriter) -> None:
    """The value of the next state is added where the pole has fallen, too: it is that of a pole set up anew."""
    _ends(writer)


def _certain(writer: SummaryWriter, *, fixed: bool = False) -> float:
    sign = 1 if fixed else -1
    return _ppo(writer, ActorCritic(25, 4), Mazes(16), entropy_coef=sign * 0.1, normalised=False)


@patient(
    "LD413",
    "LDR02",
    family="games",
    also=(
        "LD402",
        "LD404",
        "LD205",
        "LD539",
        "LD523",
    ),
    source="https://github.com/PKU-Alignment/omnisafe/pull/133, https://github.com/nebuly-ai/optimate/pull/250",
)
def sixth_entropy_that_is_minimised(writer: SummaryWriter) -> None:
    """The entropy bonus is added to the loss instead of subtracted: the policy is sure before it knows anything."""
    _certain(writer)
