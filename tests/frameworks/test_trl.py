"""TRL's trainers with the Transformers callback: their own losses are recorded, and the weights are what they are without it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.tiny_language import causal, halves, tokenizer
from helpers.tiny_trainings import read
from tb_lossdiag.quantities import CLIP_GLOBAL_NORM, GLOBAL_NORM, LEARNING_RATE, LOSS

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")

STEPS = 8


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated inside
        yield


def settings(kind: Any, out: Path, **more: Any) -> Any:
    return kind(
        output_dir=str(out),
        max_steps=STEPS,
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
        gradient_checkpointing=False,
        **more,
    )


def data(**columns: list[str]) -> Any:
    return datasets.Dataset.from_dict(columns)


def fine_tuned(out: Path, callbacks: list[Any]) -> Any:
    prompt, completion = halves()
    return trl.SFTTrainer(
        causal(),
        settings(trl.SFTConfig, out),
        train_dataset=data(prompt=prompt, completion=completion),
        processing_class=tokenizer(),
        callbacks=callbacks,
    )


def preferring(out: Path, callbacks: list[Any]) -> Any:
    prompt, completion = halves()
    model = causal()
    return trl.DPOTrainer(
        model,
        deepcopy(model),
        settings(trl.DPOConfig, out, gradient_accumulation_steps=2),
        train_dataset=data(prompt=prompt, chosen=completion, rejected=completion[::-1]),
        processing_class=tokenizer(),
        callbacks=callbacks,
    )


def judging(out: Path, callbacks: list[Any]) -> Any:
    prompt, completion = halves()
    chosen = [a + b for a, b in zip(prompt, completion, strict=True)]
    rejected = [a + b for a, b in zip(prompt, completion[::-1], strict=True)]
    return trl.RewardTrainer(
        causal(judge=True),
        settings(trl.RewardConfig, out),
        train_dataset=data(chosen=chosen, rejected=rejected),
        processing_class=tokenizer(),
        callbacks=callbacks,
    )


def rewarded(out: Path, callbacks: list[Any]) -> Any:
    def many_kinds(completions: list[str], **_: Any) -> list[float]:
        return [float(len(set(each.split()))) for each in completions]

    made = {"num_generations": 4, "max_completion_length": 8}
    return trl.GRPOTrainer(
        causal(),
        many_kinds,
        settings(trl.GRPOConfig, out, **made),
        train_dataset=data(prompt=halves()[0]),
        processing_class=tokenizer(),
        callbacks=callbacks,
    )


TRAINERS: dict[str, Callable[[Path, list[Any]], Any]] = {
    "SFT": fine_tuned,
    "DPO": preferring,
    "Reward": judging,
    "GRPO": rewarded,
}


@pytest.mark.parametrize("name", TRAINERS)
def test_a_training_is_recorded_and_not_changed(name: str, tmp_path: Path) -> None:
    from tb_lossdiag.integrations.transformers import LossDoctor  # noqa: PLC0415

    watched = TRAINERS[name](tmp_path / "out", [LossDoctor(tmp_path / "mine")])
    said = watched.train().training_loss
    without = TRAINERS[name](tmp_path / "plain", [])
    without.train()
    ours, theirs = (list(each.model.parameters()) for each in (watched, without))
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    run = read(tmp_path / "mine")
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE, CLIP_GLOBAL_NORM):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS))
    np.testing.assert_allclose(run[LOSS].values.mean(), said, rtol=1e-3, atol=1e-6)
    assert ("objective" in run.facts) == (name in {"DPO", "GRPO"})
    assert name != "GRPO" or "loss_type=" in run.facts["objective"]
