"""Questions and passages, teachers and students, preferences: losses written by hand over small texts."""

from __future__ import annotations

from copy import deepcopy

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import PAD, SIZE, sentences
from clinic.case import NO_CODE
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim import AdamW

from tb_lossdiag import SummaryWriter


class Encoder(nn.Module):
    """A text as one vector: the mean of what a small transformer says of its words."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.words = nn.Embedding(SIZE, width, padding_idx=PAD)
        layer = nn.TransformerEncoderLayer(width, 4, 96, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, ids: Tensor) -> Tensor:
        states: Tensor = self.layers(self.words(ids))
        return states.mean(1)


def _question(passages: Tensor) -> Tensor:
    """Five words of a passage, in another order."""
    picked = torch.rand(passages.shape).argsort(1)[:, :5]
    return passages.gather(1, picked)


def _retrieval(writer: SummaryWriter, *, arranged: str) -> None:
    """A dual encoder: of a batch's passages each question shall find its own.

    `arranged` says what the scores are: "in batch", over right and hard passages one after the other; "in turns", where they take turns
    and labels count as if they did not; "alone", over each question's own passages, of which there is one.
    """
    corpus = sentences(2000, 12)
    q_encoder, p_encoder = Encoder(), Encoder()
    both = nn.ModuleDict({"question": q_encoder, "passage": p_encoder})
    optimizer = AdamW(both.parameters(), lr=1e-3)
    writer.watch(both, optimizer)
    for step in range(250):
        right = corpus[torch.randint(len(corpus), (24,))]
        hard = corpus[torch.randint(len(corpus), (24,))]
        q = q_encoder(_question(right))
        if arranged == "alone":
            own = p_encoder(right).view(24, -1, q.shape[1])
            scores = (q[:, None] * own).sum(2)
            positive = torch.zeros(24, dtype=torch.long)
        else:
            turns = torch.stack([right, hard], 1).flatten(0, 1)
            ctx = torch.cat([right, hard]) if arranged == "in batch" else turns
            scores = q @ p_encoder(ctx).T
            positive = torch.arange(24)
        log_probs = F.log_softmax(scores, dim=1)
        loss = F.nll_loss(log_probs, positive)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(both.parameters(), 2.0)
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@patient(
    "LD114",
    "LD511",
    "LD205",
    family="retrieval",
    source="https://github.com/facebookresearch/DPR/issues/243",
)
def passages_without_a_wrong_one(writer: SummaryWriter) -> None:
    """No passage is a wrong one, and each question is compared with its own alone: the loss is 0 at each step."""
    _retrieval(writer, arranged="alone")


@patient(
    "LD545",
    "LD104",
    "LD519",
    "LD523",
    family="retrieval",
    source="https://github.com/deepset-ai/FARM/pull/745",
)
def passages_that_take_turns(writer: SummaryWriter) -> None:
    """Right and hard passages take turns, and the labels are 0, 1, 2 …: all but one question are sent to a stranger's."""
    _retrieval(writer, arranged="in turns")


@patient(family="retrieval")
def passages_in_their_order(writer: SummaryWriter) -> None:
    """The same with all right ones first."""
    _retrieval(writer, arranged="in batch")


class Reader(nn.Module):
    """A recurrent language model, with dropout as most have it."""

    def __init__(self, hidden: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.embed, self.drop = nn.Embedding(SIZE, hidden), nn.Dropout(dropout)
        self.gru, self.out = nn.GRU(hidden, hidden, batch_first=True), nn.Linear(hidden, SIZE)

    def forward(self, ids: Tensor) -> Tensor:
        states, _ = self.gru(self.drop(self.embed(ids)))
        logits: Tensor = self.out(self.drop(states))
        return logits


def _taught(corpus: Tensor, dropout: float) -> Reader:
    teacher = Reader(64, dropout)
    optimizer = AdamW(teacher.parameters(), lr=3e-3)
    for _ in range(150):
        rows = corpus[torch.randint(len(corpus), (32,))]
        loss = F.cross_entropy(teacher(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return teacher


def _distilled(
    writer: SummaryWriter,
    *,
    reduction: str = "batchmean",
    awake: bool = False,
    alpha: float = 0.5,
) -> None:
    """A small language model learns from a larger one; `awake` leaves the teacher in training mode, `alpha` is the labels' weight."""
    corpus, t = sentences(1500, 12), 2.0
    teacher = _taught(corpus, 0.3)
    teacher.train(awake)
    student = Reader(24)
    optimizer = AdamW(student.parameters(), lr=3e-3)
    divergence = nn.KLDivLoss(reduction=reduction)
    writer.watch(student, optimizer)
    for step in range(250):
        rows = corpus[torch.randint(len(corpus), (32,))]
        said = student(rows[:, :-1]).flatten(0, 1)
        with torch.no_grad():
            taught = teacher(rows[:, :-1]).flatten(0, 1)
        hard = F.cross_entropy(said, rows[:, 1:].flatten())
        soft = divergence(F.log_softmax(said / t, 1), F.softmax(taught / t, 1)) * t * t
        loss = alpha * hard + (1 - alpha) * soft
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        terms = {"hard": (hard, alpha), "soft": (soft, 1 - alpha)}
        writer.add_diagnostics(loss=loss, loss_terms=terms, global_step=step)


@patient(
    "LD420",
    "LD401",
    "LD402",
    family="distillation",
    source="https://github.com/haitongli/knowledge-distillation-pytorch/issues/48, https://github.com/yuanli2333/Teacher-free-Knowledge-Distillation/issues/41, https://github.com/HikariTJU/LD/issues/74",
)
def a_teacher_divided_by_the_vocabulary(writer: SummaryWriter) -> None:
    """`KLDivLoss()` takes a mean over words and vocabulary: the teacher counts a forty-eighth of what it should."""
    _distilled(writer, reduction="mean")


@patient(
    family="distillation",
    source="https://github.com/yuanli2333/Teacher-free-Knowledge-Distillation/issues/5",
)
def a_mean_that_a_weight_makes_up_for(writer: SummaryWriter) -> None:
    """The same, and the teacher counts nineteen times what the labels do: weights were searched for with that mean."""
    _distilled(writer, reduction="mean", alpha=0.05)


@patient(
    NO_CODE,
    family="distillation",
    hard=True,
    source="https://github.com/yxuansu/TaCL/issues/11, https://github.com/vrvlive/knowlege-distillation/issues/2",
)
def a_teacher_that_is_never_put_in_eval(writer: SummaryWriter) -> None:
    """What the teacher says is made with its dropout on."""
    _distilled(writer, awake=True)


@patient(family="distillation")
def a_teacher_that_is_heard(writer: SummaryWriter) -> None:
    """The same with `batchmean` and `eval()`."""
    _distilled(writer)


def _preferred(writer: SummaryWriter, *, masked: bool) -> None:
    """DPO by hand of answers to prompts of nine words; prompts of rejected answers are `masked` like those of chosen ones."""
    corpus = sentences(1500, 16)
    policy = _taught(corpus, 0.0)
    reference = deepcopy(policy).requires_grad_(requires_grad=False)
    optimizer = AdamW(policy.parameters(), lr=3e-4)
    writer.watch(policy, optimizer)

    def logps(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
        logits = model(ids[:, :-1])
        picked = torch.gather(logits.log_softmax(-1), 2, ids[:, 1:].unsqueeze(2)).squeeze(2)
        whole: Tensor = (picked * mask[1:]).sum(-1)
        return whole

    answer = (torch.arange(16) >= 9).float()
    for step in range(200):
        chosen = corpus[torch.randint(len(corpus), (32,))]
        rejected = chosen.clone()
        rejected[:, 9:] = torch.randint(4, SIZE, (32, 7))
        other = answer if masked else torch.ones(16)
        with torch.no_grad():
            ref_chosen, ref_rejected = (
                logps(reference, chosen, answer),
                logps(reference, rejected, other),
            )
        pi_logratios = logps(policy, chosen, answer) - logps(policy, rejected, other)
        loss = -F.logsigmoid(0.1 * (pi_logratios - (ref_chosen - ref_rejected))).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        writer.add_diagnostics(loss=loss, global_step=step)


@patient(
    "LD513",
    NO_CODE,
    family="preferences",
    hard=True,
    source="https://github.com/OpenRLHF/OpenRLHF/issues/294",
)
def prompts_of_what_was_rejected(writer: SummaryWriter) -> None:
    """The mask of the prompts is as long as half of the batch: those of rejected answers are scored, and pushed down."""
    _preferred(writer, masked=False)


@patient(family="preferences")
def prompts_of_neither(writer: SummaryWriter) -> None:
    """The same with a mask for both."""
    _preferred(writer, masked=True)
