"""Ten reports that nobody here had rebuilt, found when the rules were done, and five sound programs beside them.

What is right was written down before any of them was run. LD309 was loosened after `what_is_clipped_is_used_up` had been missed, which it
still is; a healthy program was given a gentler schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, sentences
from clinic.abroad.loops import train
from clinic.data import flat_digits, friedman
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, mse_loss, nll_loss
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

from tb_lossdiag import SummaryWriter

STEPS = 300


class _Reader(nn.Module):
    """Reads a sequence of numbers and answers with one of its own."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=True)
        self.answer = nn.Sequential(nn.Linear(32, 1), last)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x)
        answer: Tensor = self.answer(states[:, -1])
        return answer


def _mobility(writer: SummaryWriter, last: nn.Module, *, scaled: bool) -> None:
    """Peptides' cross sections from their rows: the sum of a row, standardised or as a share of the largest."""
    x = torch.rand(800, 12, 1)
    sums = x.sum(1)
    y = (sums - sums.mean()) / sums.std() if scaled else sums / sums.max()
    model = _Reader(last)
    batches = _batches(x, y)
    train(
        writer, model, Adam(model.parameters(), 3e-3), lambda: _squares(model, next(batches)), STEPS
    )


def _squares(model: nn.Module, batch: list[Tensor]) -> Tensor:
    return mse_loss(model(batch[0]), batch[1])


def _batches(*columns: Tensor) -> Iterator[list[Tensor]]:
    loader = DataLoader(TensorDataset(*columns), batch_size=32, shuffle=True, drop_last=True)
    while True:
        yield from loader


@patient(
    "LD511",
    "LD701",
    "LD705",
    "LD205",
    "LD104",
    family="fresh reports",
    source="ProteomicsML/ProteomicsML PR 203",
)
def no_number_below_zero(writer: SummaryWriter) -> None:
    """A ReLU behind the last layer, and standardised values that are to be predicted."""
    _mobility(writer, nn.ReLU(), scaled=True)


@patient(family="fresh reports")
def shares_behind_a_softplus(writer: SummaryWriter) -> None:
    """Values that are never negative, and an activation that always lets a gradient through."""
    _mobility(writer, nn.Softplus(), scaled=False)


@patient(
    "LD511",
    "LD701",
    "LD705",
    "LD523",
    "LD104",
    family="fresh reports",
    source="WeiTang114/MVCNN-TensorFlow issue 14",
)
def scores_of_classes_behind_a_relu(writer: SummaryWriter) -> None:
    """The last layer of classes has the activation of all the others, and learns with momentum."""
    digits, _ = flat_digits()
    model = nn.Sequential(mlp(64, 128, 128, 10), nn.ReLU())
    batches = iter(digits.batches(STEPS))

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(16 * x), y)

    train(writer, model, SGD(model.parameters(), 0.01, momentum=0.9), loss, STEPS)


def _by_hand(
    writer: SummaryWriter,
    before: Callable[[nn.Module], object],
    after: Callable[[nn.Module], object],
) -> None:
    """A loop over a table, with room for a clip before and after the step."""
    data = friedman(noise=1.0)
    model = mlp(10, 64, 64, 1)
    optimizer = Adam(model.parameters(), lr=1e-2)
    writer.watch(model, optimizer)
    for step, (x, y) in enumerate(data.batches(STEPS)):
        optimizer.zero_grad()
        loss = mse_loss(model(x), y)
        loss.backward()
        before(model)
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
        after(model)


@patient("LD302", family="fresh reports", source="VGraphRNN/VGRNN issue 4")
def clipped_when_the_step_is_done(writer: SummaryWriter) -> None:
    """The clip comes behind the step, so it does nothing."""
    clip = nn.utils.clip_grad_norm_
    _by_hand(writer, lambda _: None, lambda model: clip(model.parameters(), 0.2))


@patient(
    "LD309",
    family="fresh reports",
    source="PixArt-alpha/PixArt-alpha PR 160, pytorch/pytorch issue 148259",
)
def what_is_clipped_is_used_up(writer: SummaryWriter) -> None:
    """The layers were picked by `filter`, which can be gone through once: every later clip is given nothing."""
    picked: list[Iterable[Tensor]] = []

    def clip(model: nn.Module) -> None:
        if not picked:
            picked.append(filter(lambda p: p.requires_grad, model.parameters()))
        nn.utils.clip_grad_norm_(picked[0], 1.0)

    _by_hand(writer, clip, lambda _: None)


def _continued(writer: SummaryWriter, fall: tuple[int, float], *, rightly: bool) -> None:
    """Trained, saved, and taken up again in the same folder: optimizer and schedule are loaded in one order or the other."""
    digits, _ = flat_digits()
    model = mlp(64, 64, 64, 10)
    optimizer = SGD(model.parameters(), 0.3, momentum=0.9)
    schedule = StepLR(optimizer, *fall)
    kept: list[dict[str, object]] = []
    batches = iter(digits.batches(2 * STEPS))

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model(x), y)

    writer.watch(model, optimizer)
    for step in range(2 * STEPS):
        if step == STEPS:
            kept = [optimizer.state_dict(), schedule.state_dict()]
            optimizer.load_state_dict(kept[0])
            if rightly:
                schedule.load_state_dict(kept[1])
            else:
                _to_the_start(optimizer)
        optimizer.zero_grad()
        value = loss()
        value.backward()
        writer.add_diagnostics(loss=value, global_step=step)
        optimizer.step()
        if rightly or step < STEPS:
            schedule.step()


def _to_the_start(optimizer: Optimizer) -> None:
    """What making a schedule anew does: it writes the rate that training began with."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"]


@patient(
    "LD607",
    "LD625",
    "LD103",
    family="fresh reports",
    source="torch-points3d/torch-points3d PR 630, ultralytics/yolov5 issue 292",
    hard=True,
)
def taken_up_at_the_first_rate(writer: SummaryWriter) -> None:
    """The optimizer's state is loaded, and the schedule that is made after it sets the rate back to the first one."""
    _continued(writer, (100, 0.1), rightly=False)


@patient(family="fresh reports")
def taken_up_where_it_was(writer: SummaryWriter) -> None:
    """The same with the schedule's state loaded as well, and a gentler one."""
    _continued(writer, (200, 0.3), rightly=True)


def _in_parts(writer: SummaryWriter, *, scheduled_by_part: bool) -> None:
    """Ten parts a step, and a rate that falls to 0 with the last step, or with the tenth part of them."""
    digits, _ = flat_digits()
    model, parts, steps = mlp(64, 64, 10), 10, 120
    optimizer = Adam(model.parameters(), lr=3e-3)
    schedule = LambdaLR(optimizer, lambda done: max(0.0, 1 - done / steps))
    writer.watch(model, optimizer)
    for index, (x, y) in enumerate(digits.batches(parts * steps, 8)):
        loss = cross_entropy(model(x), y) / parts
        loss.backward()
        if index % parts == parts - 1:
            writer.add_diagnostics(loss=parts * loss, global_step=index // parts)
            optimizer.step()
            optimizer.zero_grad()
        if scheduled_by_part or index % parts == parts - 1:
            schedule.step()


@patient(
    "LD607",
    "LD612",
    "LD602",
    family="fresh reports",
    source="h2oai/h2o-llmstudio issue 663, huggingface/accelerate issue 963",
)
def scheduled_by_part(writer: SummaryWriter) -> None:
    """Gradients of ten parts make a step, and the schedule moves with each part: nine tenths of the training have no rate."""
    _in_parts(writer, scheduled_by_part=True)


@patient(family="fresh reports")
def scheduled_by_step(writer: SummaryWriter) -> None:
    """The same, and the schedule moves with the step."""
    _in_parts(writer, scheduled_by_part=False)


class _Language(nn.Module):
    """What comes next, from what came before."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(SIZE, 32)
        self.lstm = nn.LSTM(32, 64, batch_first=True)
        self.next = nn.Linear(64, SIZE)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(self.words(x))
        scores: Tensor = self.next(states)
        return scores


def _words(writer: SummaryWriter, decay: float) -> None:
    model = _Language()
    optimizer = Adam(model.parameters(), lr=3e-3, weight_decay=decay)
    batches = _batches(sentences(600))

    def loss() -> Tensor:
        (x,) = next(batches)
        return cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())

    train(writer, model, optimizer, loss, STEPS)


@patient(
    "LD407",
    "LD609",
    "LD523",
    family="fresh reports",
    source="deeplearningathome/pytorch-language-model issue 1",
)
def a_decay_that_holds_all_words_down(writer: SummaryWriter) -> None:
    """Adam adds a decay of 0.01 to gradients that are smaller: the loss stays at the frequencies of the words."""
    _words(writer, 1e-2)


@patient(family="fresh reports")
def a_decay_that_words_bear(writer: SummaryWriter) -> None:
    """The same with a decay of a millionth."""
    _words(writer, 1e-6)


@patient("LD503", "LD718", family="fresh reports", source="DonkeyShot21/UNO issue 4")
def probabilities_of_the_samples_of_a_view(writer: SummaryWriter) -> None:
    """The scores are (view, sample, class), and the softmax is taken over the second of them."""
    digits, _ = flat_digits()
    model = mlp(64, 64, 10)
    batches = iter(digits.batches(STEPS))

    def loss() -> Tensor:
        x, y = next(batches)
        views = torch.stack([x + 0.1 * torch.randn_like(x), 0.9 * x])
        known = log_softmax(model(views) / 0.1, dim=1)
        return nll_loss(known.flatten(0, 1), y.repeat(2))

    train(writer, model, Adam(model.parameters(), 1e-3), loss, STEPS)


def _distances(writer: SummaryWriter, epsilon: float) -> None:
    """Digits of one class are to lie near each other, others a length apart; now and then one is compared with itself."""
    digits, _ = flat_digits()
    model = mlp(64, 64, 16)
    batches = iter(digits.batches(STEPS))

    def loss() -> Tensor:
        x, y = next(batches)
        code = model(x)
        apart = ((code[:, None] - code[None]).square().sum(-1) + epsilon).sqrt()
        same = y[:, None] == y[None]
        return torch.where(same, apart, (1 - apart).clamp(min=0)).mean()

    train(writer, model, Adam(model.parameters(), 1e-3), loss, STEPS)


@patient(
    "LD101",
    "LD206",
    family="fresh reports",
    source="akanazawa/cmr issue 11, mpariente/pytorch_stoi issue 7, open-mmlab/mmrotate issue 205",
)
def the_root_of_no_distance(writer: SummaryWriter) -> None:
    """Each sample is also compared with itself, and the root's slope at 0 is infinite."""
    _distances(writer, 0.0)


@patient(family="fresh reports")
def the_root_of_a_little_more(writer: SummaryWriter) -> None:
    """The same with a little under the root."""
    _distances(writer, 1e-6)


@patient(
    "LD603", "LD605", "LD204", family="fresh reports", source="bubbliiiing/detr-pytorch issue 6"
)
def groups_by_names_that_no_layer_has(writer: SummaryWriter) -> None:
    """Parameters are put into groups by name, and those of the trunk match none."""
    digits, _ = flat_digits()
    model = nn.ModuleDict({"trunk": mlp(64, 64, 64), "head": mlp(64, 32, 10)})
    wanted = ("backbone", "transformer", "head")
    groups = [
        {"params": [p for n, p in model.named_parameters() if n.startswith(name)]}
        for name in wanted
    ]
    optimizer = Adam([group for group in groups if group["params"]], lr=1e-3)
    batches = iter(digits.batches(STEPS))

    def loss() -> Tensor:
        x, y = next(batches)
        return cross_entropy(model["head"](model["trunk"](x).relu()), y)

    train(writer, model, optimizer, loss, STEPS)
