"""A language model and one batch of noise: in each set-up that the README shows the finding names the rows of that batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, SequentialSampler

import tb_lossdiag
from helpers.tiny_language import WORDS, causal

pl = pytest.importorskip("pytorch_lightning")
transformers = pytest.importorskip("transformers")

BATCH, STEPS, POISONED = 8, 130, 110
NAMED = ", ".join(str(row) for row in range(BATCH * POISONED, BATCH * (POISONED + 1)))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "NO")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Sentences(Dataset[dict[str, Tensor]]):
    """Words that count upwards, each sentence from a beginning of its own; the poisoned batch is drawn at random."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        starts = torch.randint(WORDS, (BATCH * STEPS, 1), generator=draw)
        self.words = 4 + (starts + torch.arange(12)) % WORDS
        noise = torch.randint(WORDS, (BATCH, 12), generator=draw)
        self.words[BATCH * POISONED : BATCH * (POISONED + 1)] = 4 + noise

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        words = self.words[row]
        return {"input_ids": words, "labels": words, "row": torch.tensor(row)}


def loss_of(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    value: Tensor = model(input_ids=batch["input_ids"], labels=batch["labels"]).loss
    return value


def by_hand(folder: Path, parts: int) -> None:
    model = causal()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    with tb_lossdiag.SummaryWriter(str(folder)) as writer:
        writer.watch(model, optimizer)
        for place, batch in enumerate(DataLoader(Sentences(), BATCH // parts)):
            writer.data(batch["row"])
            loss = loss_of(model, batch) / parts
            loss.backward()
            if (place + 1) % parts == 0:
                optimizer.step()
                writer.add_diagnostics(loss=loss * parts)
                optimizer.zero_grad()


def by_lightning(folder: Path, parts: int) -> None:
    from tb_lossdiag.integrations.lightning import LossDoctor  # noqa: PLC0415

    doctor = LossDoctor(folder)

    class Module(pl.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = causal()

        def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
            doctor.data(batch["row"])
            return loss_of(self.model, batch)

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-2)

    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", accumulate_grad_batches=parts, callbacks=[doctor], **quiet
    )
    trainer.fit(Module(), DataLoader(Sentences(), BATCH // parts))
    doctor.data([1])  # after the training nobody listens


def by_transformers(folder: Path, parts: int) -> None:
    from tb_lossdiag.integrations.transformers import LossDoctor  # noqa: PLC0415

    doctor = LossDoctor(folder)

    class InOrder(transformers.Trainer):  # type: ignore[misc,name-defined]
        def training_step(self, model: Any, inputs: Any, *rest: Any) -> Any:
            doctor.data(inputs.pop("row"))
            return super().training_step(model, inputs, *rest)

        def _get_train_sampler(self, *_: Any) -> Any:
            return SequentialSampler(self.train_dataset)

    arguments = transformers.TrainingArguments(
        str(folder / "out"), num_train_epochs=1, per_device_train_batch_size=BATCH // parts,
        gradient_accumulation_steps=parts, learning_rate=1e-2, report_to="none", save_strategy="no",
        remove_unused_columns=False, use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    InOrder(causal(), arguments, train_dataset=Sentences(), callbacks=[doctor]).train()


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("train", [by_hand, by_lightning, by_transformers])
def test_the_rows_of_a_poisoned_batch_are_named(
    tmp_path: Path, train: Callable[[Path, int], None], parts: int
) -> None:
    train(tmp_path, parts)
    (diagnosis,) = tb_lossdiag.diagnose(str(tmp_path)).runs
    said = [one for cause in diagnosis.findings for one in (cause, *cause.explains)]
    told = [one.message for one in said if one.code == "LD103"]
    assert len(told) == 1, diagnosis
    assert f"The batch of step {POISONED} held the rows `{NAMED}`." in told[0]
