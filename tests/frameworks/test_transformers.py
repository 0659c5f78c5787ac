"""The Transformers callback in every ordinary set-up: recorded, and the weights are what they are without it."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

import tb_lossdiag
from helpers.tiny_trainings import read
from tb_lossdiag.quantities import (
    CLIP_GLOBAL_NORM,
    CLIP_MAX_NORM,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    VALIDATION_LOSS,
)

transformers = pytest.importorskip("transformers")

STEPS = 16
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def installed() -> list[Any]:
    """What a callback may have replaced."""
    of = torch.nn.utils
    return [torch.autograd.backward, of.clip_grad_norm_, of.clip_grad_value_]


PLAIN = installed()


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "NO")  # older versions leave theirs behind
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is deprecated inside
        yield


def doctor(*given: Any, **options: Any) -> Any:
    from tb_lossdiag.integrations.transformers import LossDoctor  # noqa: PLC0415

    return LossDoctor(*given, **options)


class Sentences(Dataset[dict[str, Tensor]]):
    def __init__(self, count: int = 16 * STEPS) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        words = torch.randint(5, 50, (12,), generator=torch.Generator().manual_seed(index))
        return {"input_ids": words, "labels": (words[0] > 27).long()}


def model() -> Any:
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=60, intermediate_size=32, **SIZES)
    return transformers.BertForSequenceClassification(config)


def trainer(out: Path, callbacks: list[Any], **arguments: Any) -> Any:
    given = {
        "max_steps": STEPS,
        "per_device_train_batch_size": 8,
        "save_strategy": "no",
        "report_to": "none",
        **arguments,
    }
    return transformers.Trainer(
        model_init=model,
        args=transformers.TrainingArguments(str(out), use_cpu=True, disable_tqdm=True, **given),
        train_dataset=Sentences(),
        eval_dataset=Sentences(16),
        callbacks=callbacks,
    )


def weights(trained: Any) -> list[Tensor]:
    return [value.clone() for value in trained.model.state_dict().values()]


def runs(out: Path) -> list[Path]:
    return sorted({path.parent for path in out.rglob("events.out.tfevents.*")})


SETUPS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "tight clip": {"max_grad_norm": 0.01},
    "no clip": {"max_grad_norm": 0.0},
    "accumulation 4": {"gradient_accumulation_steps": 4},
    "label smoothing": {"label_smoothing_factor": 0.1},
    "bfloat16": {"bf16": True},
    "logging_steps=10": {"logging_steps": 10},
    "evaluation": {"eval_strategy": "steps", "eval_steps": 8},
    "compiled": {"torch_compile": True, "torch_compile_backend": "eager"},
    "auto_find_batch_size": {"auto_find_batch_size": True},
    "checkpointing": {"gradient_checkpointing": True},
}


@pytest.mark.parametrize("name", SETUPS)
def test_a_training_is_recorded_and_not_changed(name: str, tmp_path: Path) -> None:
    watched = trainer(tmp_path / "with", [doctor()], **SETUPS[name])
    plain = trainer(tmp_path / "without", [], **SETUPS[name])
    logged = watched.train().training_loss
    plain.train()
    for ours, theirs in zip(weights(watched), weights(plain), strict=True):
        assert torch.equal(ours, theirs)
    (folder,) = runs(tmp_path / "with")
    run = read(folder)
    for quantity in (GLOBAL_NORM, LOSS, LEARNING_RATE):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS))
    if "accumulation" not in name or not transformers.__version__.startswith("4."):
        # Until version 5 it logs the mean of the parts that it sums.
        tolerance = 0.02 if name == "bfloat16" else 1e-4
        np.testing.assert_allclose(run[LOSS].values.mean(), logged, rtol=tolerance)
    if name == "no clip":
        assert CLIP_GLOBAL_NORM not in run
    else:
        np.testing.assert_array_equal(run[CLIP_GLOBAL_NORM].steps, np.arange(STEPS))
        np.testing.assert_allclose(
            run[CLIP_MAX_NORM].values, SETUPS[name].get("max_grad_norm", 1.0), 1e-6
        )
        np.testing.assert_allclose(run[CLIP_GLOBAL_NORM].values, run[GLOBAL_NORM].values, 1e-4)
    if name == "evaluation":
        np.testing.assert_array_equal(run[VALIDATION_LOSS].steps, [8, 16])


def test_each_train_is_a_run_of_its_own(tmp_path: Path) -> None:
    ours = trainer(tmp_path, [doctor()])
    ours.train()
    ours.train()
    assert len(runs(tmp_path)) == 2
    for folder in runs(tmp_path):
        np.testing.assert_array_equal(read(folder)[LOSS].steps, np.arange(STEPS))


def test_an_advice_names_the_trainers_own_setting(tmp_path: Path) -> None:
    trainer(tmp_path, [doctor(tmp_path / "run")], max_steps=40, max_grad_norm=1e-3).train()
    found = tb_lossdiag.diagnose(tmp_path / "run")
    (said,) = found.runs
    assert said.facts["framework"] == "transformers"
    (clips,) = (one for one in said.findings if one.code == "LD301")
    assert "`TrainingArguments(max_grad_norm=…)`" in clips.advice
    ways = [way["how"] for way in found.document["runs"][0]["unlocks"]]
    assert 'set `TrainingArguments(eval_strategy="steps")`' in ways


def test_a_named_folder_is_taken_first(tmp_path: Path) -> None:
    ours = trainer(tmp_path / "out", [doctor(tmp_path / "runs" / "mine")])
    ours.train()
    ours.train()
    assert [folder.name for folder in runs(tmp_path)] == ["mine", "mine_1"]


@pytest.mark.parametrize("named", [True, False])
def test_resumed_from_a_checkpoint(tmp_path: Path, named: bool) -> None:
    """Killed at step 12, taken up again at 10."""
    saving: dict[str, Any] = {"save_strategy": "steps", "save_steps": 10}
    folder = tmp_path / "mine" if named else None
    trainer(tmp_path / "out", [doctor(folder)], **{**saving, "max_steps": 12}).train()
    ours = trainer(tmp_path / "out", [doctor(folder)], **saving)
    ours.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-10"))
    (only,) = runs(tmp_path)
    run = read(only)
    for quantity in (GLOBAL_NORM, LOSS):
        np.testing.assert_array_equal(run[quantity].steps, np.arange(STEPS))
    assert [(r.kind, r.step, r.undone) for r in run.restarts] == [("resumed", 10, 2)]


def test_by_name_without_an_object(tmp_path: Path) -> None:
    import tb_lossdiag.integrations.transformers  # noqa: F401, PLC0415

    trainer(tmp_path, [], report_to="tb_lossdiag").train()
    (folder,) = runs(tmp_path)
    np.testing.assert_array_equal(read(folder)[LOSS].steps, np.arange(STEPS))


def test_each_trial_of_a_search_is_a_run(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ours = trainer(tmp_path, [doctor(tmp_path / "search")])
    best = ours.hyperparameter_search(
        hp_space=lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-3)},
        compute_objective=lambda metrics: metrics["eval_loss"],
        hp_name=lambda trial: f"trial-{trial.number}",
        direction="minimize",
        backend="optuna",
        n_trials=2,
    )
    assert best.run_id in {"0", "1"}
    assert [folder.name for folder in runs(tmp_path)] == ["trial-0", "trial-1"]
    for folder in runs(tmp_path):
        np.testing.assert_array_equal(read(folder)[LOSS].steps, np.arange(STEPS))


def test_an_interrupted_training_leaves_its_records_and_a_working_torch(tmp_path: Path) -> None:
    class Interrupts(transformers.TrainerCallback):  # type: ignore[misc, name-defined]
        def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            if state.global_step == 5:
                raise KeyboardInterrupt

    ours = trainer(tmp_path, [Interrupts(), doctor()])
    with contextlib.suppress(KeyboardInterrupt):  # pytest's own way would keep its frames
        ours.train()
    del ours
    gc.collect()
    assert installed() == PLAIN
    (folder,) = runs(tmp_path)
    np.testing.assert_array_equal(read(folder)[LOSS].steps, np.arange(5))


def test_it_says_how_long_the_training_is_to_be_and_what_the_schedule_warms_up_to(
    tmp_path: Path,
) -> None:
    trainer(tmp_path, [doctor(tmp_path / "run")], warmup_steps=100, learning_rate=1e-3).train()
    run = read(tmp_path / "run")
    assert run.facts["planned steps"] == str(STEPS)
    assert run.facts["full rate"] == "0.001"
