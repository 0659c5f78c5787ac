"""Targets of real sequence models: the next token, the same, two ahead; and models whose answer may be in the question."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, nll_loss

from helpers.tiny_trainings import read
from tb_lossdiag import SummaryWriter
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.quantities import (
    BATCH_REPEATED,
    CALL_ALIGNED,
    CALL_END_IGNORED,
    CALL_FILLED,
    CALL_IGNORED_CLASS,
    CALL_PADDED,
    CALL_SHOWN,
    CALL_TARGET_AHEAD,
    EQUAL_SAMPLES,
)
from tb_lossdiag.rules.loss_use.loss_on_padding import LossOnPadding
from tb_lossdiag.rules.loss_use.targets_misaligned import TargetsMisaligned
from tb_lossdiag.rules.model.constant_output import ConstantOutput
from tb_lossdiag.run import Run

VOCABULARY, TIME = 40, 24
Losses = Callable[[nn.Module, Tensor], Tensor]


class Recurrent(nn.Module):
    """Tokens in, a score for each token of the vocabulary out."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, 16)
        self.cells = nn.GRU(16, 16, batch_first=True)
        self.head = nn.Linear(16, VOCABULARY)

    def forward(self, tokens: Tensor, source: Tensor | None = None) -> Tensor:
        vectors = self.table(tokens)
        if source is not None:
            vectors = vectors + self.table(source).mean(1, keepdim=True)
        scores: Tensor = self.head(self.cells(vectors)[0])
        return scores


def loss_of(scores: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of every place."""
    return cross_entropy(scores.flatten(0, 1), target.flatten())


def next_token(model: nn.Module, data: Tensor) -> Tensor:
    """As it should be."""
    return loss_of(model(data[:, :-2]), data[:, 1:-1])


def next_token_inside(model: nn.Module, data: Tensor) -> Tensor:
    """The scores are shifted, not the labels that the model is given."""
    return loss_of(model(data)[:, :-1], data[:, 1:])


def same_token(model: nn.Module, data: Tensor) -> Tensor:
    """The labels were not shifted."""
    return loss_of(model(data), data)


def shifted_twice(model: nn.Module, data: Tensor) -> Tensor:
    """The loader has shifted, and so does the loss."""
    return loss_of(model(data[:, :-2]), data[:, 2:])


def masked(model: nn.Module, data: Tensor) -> Tensor:
    """A masked language model: only masked places count, a tenth of them shows the token."""
    chosen = torch.rand(data.shape) < 0.3
    hidden = torch.where(chosen & (torch.rand(data.shape) < 0.9), 0, data)
    return loss_of(model(hidden), torch.where(chosen, data, -100))


def repeated_source(model: nn.Module, data: Tensor) -> Tensor:
    """An autoencoder: the target is the source, which the decoder is given beside its own shifted tokens."""
    begun = torch.cat([torch.ones_like(data[:, :1]), data[:, :-1]], 1)
    return loss_of(model(begun, data), data)


def tagged(model: nn.Module, data: Tensor) -> Tensor:
    """Each token has a class of its own kind."""
    return loss_of(model(data), data % 7)


def recorded(folder: Path, loss: Losses, steps: int = 12) -> Run:
    """A short training with this loss."""
    torch.manual_seed(0)
    model: Any = Recurrent()
    optimizer = torch.optim.Adam(model.parameters())
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer)
        for _ in range(steps):
            optimizer.zero_grad()
            value = loss(model, torch.randint(1, VOCABULARY, (8, TIME)))
            value.backward()
            writer.add_diagnostics(loss=value)
            optimizer.step()
    return read(folder)


@pytest.mark.parametrize(
    ("loss", "ahead"),
    [
        (next_token, 1),
        (next_token_inside, 1),
        (same_token, 0),
        (shifted_twice, 2),
        (masked, -1),
        (tagged, -1),
        (repeated_source, 1),  # to the decoder it is the next token
    ],
)
def test_places_are_counted(tmp_path: Path, loss: Losses, ahead: int) -> None:
    run = recorded(tmp_path, loss)
    assert set(run[CALL_TARGET_AHEAD].values[:, 0].tolist()) == {ahead}
    assert diagnose(run, [TargetsMisaligned()]).causes == () or ahead in {0, 2}
    assert bool(diagnose(run, [TargetsMisaligned()]).causes) is (ahead in {0, 2})


def hidden(data: Tensor, share: float = 0.2) -> tuple[Tensor, Tensor]:
    """As BERT hides tokens: most behind a mask, a tenth behind a word, a tenth not at all; and which."""
    chosen, how = torch.rand(data.shape) < share, torch.rand(data.shape)
    words = torch.where(how < 0.9, data, torch.randint(1, VOCABULARY, data.shape))
    return torch.where(chosen, torch.where(how < 0.8, 0, words), data), chosen


def masked_and_all_scored(model: nn.Module, data: Tensor) -> Tensor:
    """The labels of what can be seen were not taken out."""
    return loss_of(model(hidden(data)[0]), data)


def masked_as_bert(model: nn.Module, data: Tensor) -> Tensor:
    """They were."""
    inputs, chosen = hidden(data)
    return loss_of(model(inputs), torch.where(chosen, data, -100))


def corrected(model: nn.Module, data: Tensor) -> Tensor:
    """A tenth of the words is misspelt, each in its own way, and the rest is to stay."""
    wrong = torch.where(
        torch.rand(data.shape) < 0.1, torch.randint(1, VOCABULARY, data.shape), data
    )
    return loss_of(model(wrong), data)


@pytest.mark.parametrize(
    ("loss", "share"),
    [(masked_and_all_scored, 0.82), (masked_as_bert, 0.1), (corrected, None), (next_token, None)],
)
def test_what_a_mask_leaves_to_see(tmp_path: Path, loss: Losses, share: float | None) -> None:
    run = recorded(tmp_path, loss)
    assert (CALL_SHOWN in run) is (share is not None)
    if share is not None:
        assert float(np.median(run[CALL_SHOWN].values)) == pytest.approx(share, abs=0.08)
    assert bool(diagnose(run, [TargetsMisaligned()]).causes) is (loss is masked_and_all_scored)


def translated(model: nn.Module, data: Tensor) -> Tensor:
    """Two sequences of which the target repeats the first: that may be the task."""
    return loss_of(model(data, data.flip(1)), data)


def test_two_sequences_are_no_question(tmp_path: Path) -> None:
    assert CALL_ALIGNED not in recorded(tmp_path, translated)


@pytest.mark.parametrize("labels", [0, 1])
def test_a_transformers_model_shifts_by_itself(tmp_path: Path, labels: int) -> None:
    """Labels are the tokens themselves; shifted by the user as well, they lie two ahead."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=TIME, n_embd=16, n_layer=1, n_head=2
    )
    model = transformers.GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters())
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for _ in range(10):
            data = torch.randint(VOCABULARY, (8, TIME + 1))
            tokens, target = data[:, :-1], data[:, labels : labels + TIME]
            optimizer.zero_grad()
            model(input_ids=tokens, labels=target).loss.backward()
            optimizer.step()
    assert set(read(tmp_path)[CALL_TARGET_AHEAD].values[:, 0].tolist()) == {1 + labels}


def ends(data: Tensor, shortest: int = 6) -> Tensor:
    """Sequences of many lengths, padded with 0."""
    lengths = torch.randint(shortest, TIME + 1, (len(data), 1))
    return data.where(torch.arange(data.shape[1]) < lengths, 0)


def padding_scored(model: nn.Module, data: Tensor) -> Tensor:
    """The loss knows of no padding."""
    return next_token(model, ends(data))


def padding_scored_at_the_beginning(model: nn.Module, data: Tensor) -> Tensor:
    """The same of sequences that are padded on the left."""
    return next_token(model, ends(data).flip(1))


def padding_scored_but_for_the_last(model: nn.Module, data: Tensor) -> Tensor:
    """As a model shifts labels that are as long as its tokens: the last place has none."""
    tokens = ends(data)
    target = torch.cat([tokens[:, 1:], torch.full_like(tokens[:, :1], -100)], 1)
    return loss_of(model(tokens), target)


def words_alone_but_for_the_last(model: nn.Module, data: Tensor) -> Tensor:
    """The same without its padding, of which nothing is left at the ends."""
    tokens = ends(data)
    target = torch.cat([tokens[:, 1:], torch.zeros_like(tokens[:, :1])], 1)
    return loss_of(model(tokens), target.masked_fill(target == 0, -100))


def padding_left_out(model: nn.Module, data: Tensor) -> Tensor:
    """As it should be."""
    padded = ends(data)
    return cross_entropy(
        model(padded[:, :-2]).flatten(0, 1), padded[:, 1:-1].flatten(), ignore_index=0
    )


def sorted_with_its_padding(model: nn.Module, data: Tensor) -> Tensor:
    """An encoder and a decoder: two sequences, both of them padded."""
    target = ends(data.sort(1).values)
    begun = torch.cat([torch.ones_like(target[:, :1]), target[:, :-1]], 1)
    return loss_of(model(begun, ends(data)), target)


def tags_of_padding(model: nn.Module, data: Tensor) -> Tensor:
    """Tags, of padding as well."""
    return tagged(model, ends(data))


def masked_by_hand(model: nn.Module, data: Tensor, *, left_out: bool) -> Tensor:
    """As Keras does it: where nothing is asked scores are 0, so that likelihoods are 0 / 0, and these losses are left out."""
    tokens = ends(data)
    asked, tags = tokens != 0, tokens % 7
    likely = model(tokens).softmax(2)
    likely = likely.where(asked[..., None], 0) if left_out else likely
    likely = (likely / likely.sum(2, keepdim=True)).clip(1e-7, 1 - 1e-7)
    losses = nll_loss(likely.log().movedim(2, 1), tags, reduction="none")
    return losses.where(asked, 0).sum() / asked.sum() if left_out else losses.mean()


def words_alone_by_hand(model: nn.Module, data: Tensor) -> Tensor:
    """What has no likelihoods is not scored."""
    return masked_by_hand(model, data, left_out=True)


def all_by_hand(model: nn.Module, data: Tensor) -> Tensor:
    """The same with padding."""
    return masked_by_hand(model, data, left_out=False)


def one_tag_at_the_end(model: nn.Module, data: Tensor) -> Tensor:
    """What is not named at the end of each sentence has one tag, but the words are words."""
    return loss_of(model(data), (data % 7).where(torch.arange(TIME) < TIME // 2, 0))


def by_token(model: nn.Module, data: Tensor, *, picked: bool) -> tuple[Tensor, Tensor]:
    """What the next tokens cost each, and which of them are words."""
    tokens = ends(data)
    scores, target = model(tokens[:, :-1]), tokens[:, 1:]
    if picked:
        return -scores.log_softmax(2).gather(2, target[..., None])[..., 0], target != 0
    return cross_entropy(scores.movedim(2, 1), target, reduction="none"), target != 0


def masked_afterwards(model: nn.Module, data: Tensor, *, picked: bool = False) -> Tensor:
    """A mask is multiplied with the losses."""
    costs, words = by_token(model, data, picked=picked)
    return (costs * words).sum() / words.sum()


def chosen_afterwards(model: nn.Module, data: Tensor) -> Tensor:
    """Losses are chosen by a mask."""
    costs, words = by_token(model, data, picked=False)
    return costs[words].mean()


def never_masked(model: nn.Module, data: Tensor, *, picked: bool = False) -> Tensor:
    """All of them count, each sequence by its words."""
    costs, words = by_token(model, data, picked=picked)
    return (costs.sum(1) / words.sum(1)).mean()


def turned_about(model: nn.Module, data: Tensor) -> Tensor:
    """A policy's likelihood of what has no target, filled with 0: the first half and padding."""
    tokens = ends(data, 10)
    target = tokens[:, 1:].where(torch.arange(1, TIME) >= TIME // 2, 0)
    picked = model(tokens[:, :-1]).log_softmax(2).gather(2, target[..., None])[..., 0]
    return -torch.nn.functional.logsigmoid((picked * (target == 0)).sum(1)).mean()


@pytest.mark.parametrize("picked", [False, True])
@pytest.mark.parametrize(("loss", "share"), [(masked_afterwards, 0.0), (never_masked, 0.4)])
def test_what_counts_shows_where_the_gradient_arrives(
    tmp_path: Path, loss: Any, share: float, picked: bool
) -> None:
    run = recorded(tmp_path, partial(loss, picked=picked))
    assert float(np.median(run[CALL_PADDED].values)) == pytest.approx(share, abs=0.15)
    assert CALL_FILLED not in run
    summed = (
        picked and loss is never_masked
    )  # a masked mean is known for a cross-entropy by its value
    assert run[CALL_PADDED].columns == ("log_softmax" if summed else "cross_entropy",)


def test_a_mask_that_is_turned_about(tmp_path: Path) -> None:
    run = recorded(tmp_path, turned_about)
    assert float(np.nanmedian(run[CALL_FILLED].values)) > 0.4
    (cause,) = diagnose(run, [LossOnPadding()]).causes
    assert "turned about" in cause.finding.message.en


@pytest.mark.parametrize(
    ("loss", "share"),
    [
        (chosen_afterwards, 0.0),
        (padding_scored, 0.4),
        (padding_scored_at_the_beginning, 0.4),
        (sorted_with_its_padding, 0.4),
        (tags_of_padding, 0.4),
        (padding_scored_but_for_the_last, 0.4),
        (words_alone_but_for_the_last, 0.0),
        (padding_left_out, 0.0),
        (words_alone_by_hand, 0.0),
        (all_by_hand, 0.4),
        (next_token, 0.0),
        (one_tag_at_the_end, 0.0),
    ],
)
def test_padding_that_is_scored(tmp_path: Path, loss: Losses, share: float) -> None:
    run = recorded(tmp_path, loss)
    assert float(np.median(run[CALL_PADDED].values)) == pytest.approx(share, abs=0.15)
    assert bool(diagnose(run, [LossOnPadding()]).causes) is (share > 0)
    assert not diagnose(run, [ConstantOutput()]).causes


class Seen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(20, 1)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x)
        return answer


def of_batches(folder: Path, batches: Iterable[Tensor]) -> Run:
    """A regression on these inputs."""
    model = Seen()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer)
        for x in batches:
            loss = mse_loss(model(x), x.sum(1, keepdim=True) + torch.randn(len(x), 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            writer.add_diagnostics(loss=loss)
    return read(folder)


first = torch.randn(8, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("batches", "equal", "repeated"),
    [
        ((torch.randn(8, 20) for _ in range(12)), 0.0, 0.0),
        ((first for _ in range(12)), 0.0, 1.0),
        ((first.roll(step, 0) for step in range(12)), 0.0, 0.0),
        ((torch.randn(1, 20).expand(8, 20) for _ in range(12)), 1.0, 0.0),
        ((first[torch.tensor([0, 0, 1, 1, 2, 3, 4, 5])] + step for step in range(12)), 2 / 7, 0.0),
        ((torch.zeros(8, 20) for _ in range(12)), 1.0, 1.0),
    ],
)
def test_samples_and_batches_that_are_the_same(
    tmp_path: Path, batches: Iterable[Tensor], equal: float, repeated: float
) -> None:
    run = of_batches(tmp_path, batches)
    assert run[EQUAL_SAMPLES].values[:, 0] == pytest.approx(equal)
    assert run[BATCH_REPEATED].values[1:, 0] == pytest.approx(repeated, abs=0)


def test_few_numbers_are_no_samples(tmp_path: Path) -> None:
    """Two of three binary features are often the same."""
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with SummaryWriter(tmp_path) as writer:
        writer.watch(model, optimizer)
        for _ in range(4):
            model(torch.randint(2, (8, 3)).float()).sum().backward()
            optimizer.step()
    assert not np.nan_to_num(read(tmp_path)[EQUAL_SAMPLES].values).any()


FILLING = 3


def texts(filling: int = FILLING, kind: Any = torch.int64) -> tuple[Tensor, Tensor]:
    """Texts of different lengths that end with a 3 and are filled up with `filling`, and the mask of what is text."""
    data, length = torch.randint(4, VOCABULARY, (8, TIME)), torch.arange(10, 18)[:, None]
    place = torch.arange(TIME)
    data = torch.where(place == length, FILLING, torch.where(place > length, filling, data))
    return data, (place <= length).to(kind)


class Masked(Recurrent):
    """The same, given a mask by name, as libraries do it."""

    def forward(
        self, tokens: Tensor, source: Tensor | None = None, *, mask: Tensor | None = None
    ) -> Tensor:
        scores: Tensor = super().forward(tokens, source)
        return scores if mask is None else scores * 1


def asked(folder: Path, *, filling: int, ignored: int, kind: Any) -> Run:
    """A short training whose loss ignores one token, or what the mask leaves out."""
    torch.manual_seed(0)
    model: Any = Masked()
    optimizer = torch.optim.Adam(model.parameters())
    with SummaryWriter(folder) as writer:
        writer.watch(model, optimizer)
        for _ in range(12):
            optimizer.zero_grad()
            tokens, mask = texts(filling, kind)
            scores = model(tokens, mask=mask)
            labels = tokens.masked_fill(tokens == filling, -100)
            labels = labels if ignored >= 0 else tokens.masked_fill(mask == 0, -100)
            value = loss_of(scores[:, :-1], labels[:, 1:])
            value.backward()
            writer.add_diagnostics(loss=value)
            optimizer.step()
    return read(folder)


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.float32])
def test_an_end_that_is_taken_for_padding_is_seen(tmp_path: Path, kind: Any) -> None:
    run = asked(tmp_path, filling=FILLING, ignored=FILLING, kind=kind)
    assert set(run[CALL_END_IGNORED].values[:, 0].tolist()) == {1.0}


def test_an_end_that_is_asked_for_is_seen(tmp_path: Path) -> None:
    run = asked(tmp_path, filling=FILLING, ignored=-1, kind=torch.int64)
    assert set(run[CALL_END_IGNORED].values[:, 0].tolist()) == {0.0}


def test_padding_of_its_own_is_no_end(tmp_path: Path) -> None:
    run = asked(tmp_path, filling=0, ignored=0, kind=torch.int64)
    assert CALL_END_IGNORED not in run


def test_an_ignored_class_is_noted_where_it_is_scored(tmp_path: Path) -> None:
    def spared(model: nn.Module, data: Tensor) -> Tensor:
        scores = model(data[:, :-2])
        return cross_entropy(scores.flatten(0, 1), data[:, 1:-1].flatten(), ignore_index=5)

    run = recorded(tmp_path / "spared", spared)
    assert set(run[CALL_IGNORED_CLASS].values[:, 0].tolist()) == {5.0}
    assert CALL_IGNORED_CLASS not in recorded(tmp_path / "all", next_token)
