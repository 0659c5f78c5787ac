"""Tables of numbers and categories, and a student that learns from a teacher."""

from __future__ import annotations

from collections.abc import Callable

import torch
from clinic.abroad import patient
from clinic.abroad.loops import Terms, train
from clinic.data import flat_digits
from clinic.nets import mlp
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cross_entropy, kl_div
from torch.optim import Adam, AdamW

from tb_lossdiag import SummaryWriter

Loss = Callable[[Tensor, Tensor], Tensor]


class Table:
    """Eight numbers, a category of twelve, and whether a customer leaves."""

    def __init__(self, rows: int = 4000, leaving: float = 0.0) -> None:
        draw = torch.Generator().manual_seed(0)
        self.numbers = torch.randn(rows, 8, generator=draw)
        self.kinds = torch.randint(12, (rows,), generator=draw)
        taste = torch.randn(12, generator=draw)[self.kinds]
        score = self.numbers[:, 0] + self.numbers[:, 1] * self.numbers[:, 2] + taste
        score = score + 0.5 * torch.randn(rows, generator=draw)
        edge = score.quantile(1 - leaving) if leaving else 0
        self.leaves = (score > edge).float().unsqueeze(1)


class Net(nn.Module):
    """An embedding for the category beside the numbers."""

    def __init__(self, inputs: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.kinds = nn.Embedding(12, 8)
        self.body = nn.Sequential(
            nn.Linear(inputs + 8, 64), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1),
        )  # fmt: skip

    def forward(self, numbers: Tensor, kinds: Tensor) -> Tensor:
        answer: Tensor = self.body(torch.cat([numbers, self.kinds(kinds)], 1))
        return answer


def fit(
    writer: SummaryWriter,
    table: Table,
    loss: Loss = bce,
    *,
    model: Net | None = None,
    steps: int = 300,
) -> None:
    """Train on four fifths of the rows, validate on the rest."""
    net = model or Net()
    edge = len(table.leaves) * 4 // 5

    def of(rows: Tensor) -> Tensor:
        return loss(net(table.numbers[rows], table.kinds[rows]), table.leaves[rows])

    train(
        writer,
        net,
        AdamW(net.parameters(), lr=3e-3),
        lambda: of(torch.randint(edge, (128,))),
        steps,
        validate=lambda: of(torch.arange(edge, len(table.leaves))),
    )


@patient(family="tabular")
def who_leaves(writer: SummaryWriter) -> None:
    """An embedding and dropout."""
    fit(writer, Table())


@patient(family="tabular")
def few_leave_and_count_more(writer: SummaryWriter) -> None:
    """Of the rows 5 % are positive, and weighted so that both classes count alike."""
    weight = torch.tensor([19.0])
    fit(writer, Table(leaving=0.05), lambda answer, y: bce(answer, y, pos_weight=weight))


@patient(
    "LD522",
    "LD509",
    family="tabular",
    source="dungnb1333/SIIM-COVID19-Detection-1st-Place issue 7, serdna1/ODIR-5K-multi-label-classification issue 1",
)
def few_leave_and_count_less(writer: SummaryWriter) -> None:
    """The weight of the rare class is the share of the rare one, not its inverse."""
    weight = torch.tensor([0.05])
    fit(writer, Table(leaving=0.05), lambda answer, y: bce(answer, y, pos_weight=weight))


@patient("LD510", family="tabular", source="Stack Overflow 47724077 (Wardat-ISU/DeepLocalize)")
def an_income_among_ratios(writer: SummaryWriter) -> None:
    """One column is in the hundred thousands, the others are about 1."""
    table = Table()
    table.numbers[:, 3] = 60000 + 20000 * table.numbers[:, 3]
    fit(writer, table)


class _Normalising(Net):
    """The same net behind a normalisation of the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.BatchNorm1d(8)

    def forward(self, numbers: Tensor, kinds: Tensor) -> Tensor:
        return super().forward(self.scale(numbers), kinds)


@patient(family="tabular")
def an_income_behind_a_normalisation(writer: SummaryWriter) -> None:
    """The same column, and a model that begins with a batch normalisation."""
    table = Table()
    table.numbers[:, 3] = 60000 + 20000 * table.numbers[:, 3]
    fit(writer, table, model=_Normalising())


@patient("LD101", "LD206", family="tabular", source="Stack Overflow 33962226 (NaN in a CSV)")
def a_cell_that_is_empty(writer: SummaryWriter) -> None:
    """A missing value was read as NaN."""
    table = Table()
    table.numbers[1234, 5] = torch.nan
    fit(writer, table)


@patient(
    "LD526",
    "LD108",
    "LD107",
    family="tabular",
    hard=True,
    source="arXiv 2207.07048, section 2.1 (leakage)",
)
def a_column_that_is_made_of_the_answer(writer: SummaryWriter) -> None:
    """The number of the cancellation is in the table, and not for those who are to be judged."""
    table = Table()
    edge = len(table.leaves) * 4 // 5
    table.numbers[:edge, 4] = 2 * table.leaves[:edge, 0] - 1
    table.numbers[edge:, 4] = 0
    fit(writer, table)


def distil(
    writer: SummaryWriter, mimic: Callable[[Tensor, Tensor], Tensor], steps: int = 300
) -> None:
    """A student of sixteen units learns from labels and from a teacher."""
    training, _ = flat_digits()
    teacher = mlp(64, 128, 10)
    apprentice = Adam(teacher.parameters(), lr=3e-3)
    for x, y in training.batches(200):
        apprentice.zero_grad()
        cross_entropy(teacher(x), y).backward()
        apprentice.step()
    student = mlp(64, 16, 10)
    batches = training.batches(steps)

    def of() -> tuple[Tensor, Terms]:
        x, y = next(batches)
        with torch.no_grad():
            taught = teacher(x)
        hard, soft = cross_entropy(student(x), y), mimic(student(x), taught)
        return 0.3 * hard + 0.7 * soft, {"hard": (hard, 0.3), "soft": (soft, 0.7)}

    train(writer, student, Adam(student.parameters(), lr=3e-3), of, steps)


def _divergence(student: Tensor, taught: Tensor) -> Tensor:
    said, meant = (student / 2).log_softmax(1), (taught / 2).softmax(1)
    return 4 * kl_div(said, meant, reduction="batchmean")


@patient(family="distillation")
def a_student_of_a_teacher(writer: SummaryWriter) -> None:
    """Labels, and the teacher's softened answers."""
    distil(writer, _divergence)


def _without_log(student: Tensor, taught: Tensor) -> Tensor:
    said, meant = (student / 2).softmax(1), (taught / 2).softmax(1)
    return 4 * kl_div(said, meant, reduction="batchmean")


@patient(
    "LD503",
    family="distillation",
    source="microsoft/ProDA issues 20, 43, AberHu/Knowledge-Distillation-Zoo issue 12",
)
def a_student_without_its_logarithm(writer: SummaryWriter) -> None:
    """Probabilities where the divergence expects their logarithms."""
    distil(writer, _without_log)


def _softened_away(student: Tensor, taught: Tensor) -> Tensor:
    return kl_div((student / 20).log_softmax(1), (taught / 20).softmax(1), reduction="batchmean")


@patient(
    "LD401",
    "LD402",
    "LD420",
    family="distillation",
    hard=True,
    source="IntelLabs/distiller issue 122, keras-team/keras-io issue 869",
)
def a_temperature_that_is_not_squared(writer: SummaryWriter) -> None:
    """Answers softened twentyfold, whose gradient is 400 times smaller: the teacher is not heard."""
    distil(writer, _softened_away)
