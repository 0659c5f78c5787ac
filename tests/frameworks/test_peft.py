"""PEFT's adapters with the Transformers callback: recorded, healthy, and the weights are what they are without it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from helpers.tiny_language import causal, halves, tokenizer
from helpers.tiny_trainings import read
from tb_lossdiag.diagnosis.engine import diagnose
from tb_lossdiag.diagnosis.rule import Severity
from tb_lossdiag.quantities import CLIP_GLOBAL_NORM, GLOBAL_NORM, GRADIENT_NORM, LOSS
from tb_lossdiag.rules import RULES

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

STEPS = 40
SETUPS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "DoRA": {"use_dora": True},
    "modules_to_save": {"modules_to_save": ["lm_head"]},
    "bfloat16 base": {},
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers that are kept transposed
        yield


def adapted(name: str) -> Any:
    base = causal()
    if name == "bfloat16 base":
        base = base.to(torch.bfloat16)
    config = peft.LoraConfig(
        r=4, lora_alpha=8, target_modules=["c_attn"], task_type="CAUSAL_LM", **SETUPS[name]
    )
    torch.manual_seed(1)
    return peft.get_peft_model(base, config)


def examples() -> list[dict[str, Any]]:
    words = tokenizer()
    rows = [words(a + b)["input_ids"] for a, b in zip(*halves(8 * STEPS), strict=True)]
    return [{"input_ids": row, "labels": row} for row in rows]


def trained(name: str, out: Path, callbacks: list[Any]) -> Any:
    arguments = transformers.TrainingArguments(
        str(out),
        max_steps=STEPS,
        per_device_train_batch_size=8,
        learning_rate=1e-2,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        adapted(name), arguments, train_dataset=examples(), callbacks=callbacks
    )
    trainer.train()
    return trainer.model


@pytest.mark.parametrize("name", SETUPS)
def test_adapters_are_recorded_not_changed_and_healthy(name: str, tmp_path: Path) -> None:
    from tb_lossdiag.integrations.transformers import LossDoctor  # noqa: PLC0415

    watched = trained(name, tmp_path / "out", [LossDoctor(tmp_path / "mine")])
    without = trained(name, tmp_path / "plain", [])
    for ours, theirs in zip(watched.parameters(), without.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    run = read(tmp_path / "mine")
    for quantity in (GLOBAL_NORM, LOSS, CLIP_GLOBAL_NORM):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS))
    trains = {n for n, p in watched.named_parameters() if p.requires_grad}
    seen = run[GRADIENT_NORM]
    assert {c for c in seen.columns if np.isfinite(seen.column(c)).any()} == trains
    errors = [f.code for f in diagnose(run, RULES).findings() if f.severity is Severity.ERROR]
    assert errors == []
