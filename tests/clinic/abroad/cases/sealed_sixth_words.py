"""The sixth lot: preferences by hand, classifiers of words, Transformers' Trainer."""

from __future__ import annotations

from typing import Any

import torch
from clinic.abroad import patient
from clinic.abroad.corpora import SIZE, Examples, sentences
from clinic.abroad.recipes import folder
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

from tb_lossdiag import SummaryWriter


def _pairs(count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prompts with a chosen and a rejected answer, padded, and their targets, where -100 is what is not learnt."""
    prompt = torch.randint(4, 20, (count, 6))
    chosen = (prompt - 4 + 3) % 16 + 4
    rejected = torch.randint(4, 20, (count, 6))
    place = torch.arange(12).expand(count, 12)
    rows, targets = [], []
    for answer in (chosen, rejected):
        row = torch.cat([prompt, answer], 1)
        row = torch.where(place < 6 + torch.randint(3, 7, (count, 1)), row, 0)
        rows.append(row)
        targets.append(torch.where((place >= 6) & (row > 0), row, -100))
    return rows[0], rows[1], targets[0], targets[1]


class _Talker(nn.Module):
    """A small language model."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.gru = nn.Embedding(20, 48), nn.GRU(48, 96, batch_first=True)
        self.head = nn.Linear(96, 20)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.gru(self.embed(ids))[0])
        return logits


def _logps(model: nn.Module, ids: Tensor, target: Tensor, *, fixed: bool) -> Tensor:
    """Mean log probability of a row's answer."""
    target = target[:, 1:]
    mask = target != -100 if fixed else target == -100
    logits: Tensor = model(ids[:, :-1]).log_softmax(-1)
    safe = target.masked_fill(target == -100, 0)
    logps = logits.gather(2, safe[..., None])[..., 0]
    mean: Tensor = (logps * mask).sum(1) / mask.sum(1)
    return mean


def _preferences(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of new pairs of which the policy prefers the chosen one more than its reference does."""
    policy, reference = _Talker(), _Talker()
    reference.load_state_dict(policy.state_dict())
    reference.requires_grad_(requires_grad=False)
    optimizer = AdamW(policy.parameters(), lr=2e-3)
    writer.watch(policy, optimizer)
    for step in range(250):
        c, r, target_c, target_r = _pairs(32)
        gain = [
            _logps(policy, ids, t, fixed=fixed) - _logps(reference, ids, t, fixed=fixed)
            for ids, t in ((c, target_c), (r, target_r))
        ]
        loss = -nn.functional.logsigmoid(1.0 * (gain[0] - gain[1])).mean()
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
    c, r, target_c, target_r = _pairs(300)
    with torch.no_grad():
        margin = _logps(policy, c, target_c, fixed=True) - _logps(policy, r, target_r, fixed=True)
        was = _logps(reference, c, target_c, fixed=True)
        was = was - _logps(reference, r, target_r, fixed=True)
    return float((margin > was).float().mean())


@patient(
    "LD516",
    "LD513",
    family="preferences",
    also=(
        "LD104",
        "LD109",
    ),
    source="https://github.com/FunAudioLLM/CosyVoice/issues/1449",
)
def sixth_preferences_where_nothing_is_said(writer: SummaryWriter) -> None:
    """DPO's mask is turned about: prompts and padding are compared, answers count nothing."""
    _preferences(writer)


class _WordClassifier(nn.Module):
    """An encoder of words and a classifier, named as in Transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(48, 32)
        layer = nn.TransformerEncoderLayer(32, 2, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.classifier = nn.Sequential(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 11))
        for weight in (self.embeddings.weight, *self.classifier.parameters()):
            nn.init.normal_(weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.encoder(self.embeddings(ids)).mean(1))
        return logits


def _by_layer(model: _WordClassifier, base_lr: float, decay: float) -> list[dict[str, object]]:
    """The deeper a layer, the smaller its rate."""
    layers = list(model.encoder.layers)
    return [
        {"params": layer.parameters(), "lr": base_lr * decay ** (len(layers) - 1 - depth)}
        for depth, layer in enumerate(layers)
    ]


def _words(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Loss on new sentences: which of eleven groups of words do they begin with?"""
    x = sentences(2000, 4)
    y = (x[:, 0] - 4) // 4
    model = _WordClassifier()
    groups = _by_layer(model, 2e-3, 0.9)
    if fixed:
        groups.append({"params": model.embeddings.parameters(), "lr": 2e-3})
        groups.append({"params": model.classifier.parameters(), "lr": 2e-3})
    optimizer = AdamW(groups)
    writer.watch(model, optimizer)
    for step, rows in enumerate(torch.randint(1600, (250, 32))):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        writer.add_diagnostics(loss=loss, global_step=step)
        optimizer.step()
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(x[1600:]), y[1600:]))


@patient(
    "LD603",
    family="words",
    also=(
        "LD104",
        "LD109",
        "LD204",
    ),
    source="https://github.com/webis-de/small-text/issues/36",
)
def sixth_rates_for_the_layers_alone(writer: SummaryWriter) -> None:
    """Layer-wise rates are made from `encoder.layer`: the classifier and the embeddings are in none of the groups."""
    _words(writer)


class _Smoothed(Trainer):  # type: ignore[misc]
    """Labels are smoothed by hand."""

    shift = False

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        logits = outputs.logits
        if self.shift:
            logits, labels = logits[:, :-1], labels[:, 1:]
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), label_smoothing=0.1
        )
        return (loss, outputs) if return_outputs else loss


def _smooth(writer: SummaryWriter, *, fixed: bool = False) -> float:
    """Share of next words that are named rightly."""
    from tb_lossdiag.integrations.transformers import LossDoctor  # noqa: PLC0415

    config = GPT2Config(
        vocab_size=SIZE,
        n_positions=24,
        n_embd=48,
        n_layer=2,
        n_head=2,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = GPT2LMHeadModel(config)
    rows = sentences(400, 16)
    place = folder(writer)
    arguments = TrainingArguments(
        output_dir=place, max_steps=250, per_device_train_batch_size=16, learning_rate=3e-3,
        report_to="none", use_cpu=True, save_strategy="no", logging_steps=25, disable_tqdm=True,
    )  # fmt: skip
    trainer = _Smoothed(
        model, arguments, train_dataset=Examples(input_ids=rows, labels=rows),
        callbacks=[LossDoctor(place)],
    )  # fmt: skip
    trainer.shift = fixed
    trainer.train()
    new = sentences(100, 16, seed=5)
    model.eval()
    with torch.no_grad():
        return float((model(new).logits[:, :-1].argmax(2) == new[:, 1:]).float().mean())


@patient(
    "LD514",
    family="language",
    also=(
        "LD716",
        "LD526",
    ),
    source="https://github.com/huggingface/transformers/issues/27161, https://github.com/huggingface/transformers/issues/17960",
)
def sixth_labels_that_nobody_shifts(writer: SummaryWriter) -> None:
    """The loss with label smoothing is computed outside the model, which would have shifted: each word is its own label."""
    _smooth(writer)
