"""Where a framework keeps what an advice would change in a loop of one's own: who has no loop cannot write the advice's lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tb_lossdiag.diagnosis.text import Text
from tb_lossdiag.quantities import hints

if TYPE_CHECKING:
    from tb_lossdiag.diagnosis.rule import Finding

FACT = "framework"
"""Of a run: which loop trained it; integrations record it."""

CLIP, RATE, DECAY, SCHEDULE, PRECISION = "clip", "rate", "decay", "schedule", "precision"
"""What a rule's `setting` may name."""
_VALIDATION = "validation"
_BY_HINT = {hints.CLIP: CLIP, hints.VALIDATION: _VALIDATION}
"""What takes the place of a call that would record something."""

_TITLES = {
    "accelerate": "Accelerate",
    "fastai": "fastai",
    "keras": "Keras",
    "lightning": "Lightning",
    "skorch": "skorch",
    "stable_baselines3": "Stable-Baselines3",
    "transformers": "Transformers",
}
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    CLIP: {
        "accelerate": "accelerator.clip_grad_norm_(model.parameters(), …)",
        "fastai": "Learner(cbs=GradientClip(max_norm=…))",
        "keras": "keras.optimizers.Adam(global_clipnorm=…)",
        "lightning": "Trainer(gradient_clip_val=…)",
        "skorch": "callbacks=[GradientNormClipping(gradient_clip_value=…)]",
        "stable_baselines3": "max_grad_norm=…",
        "transformers": "TrainingArguments(max_grad_norm=…)",
    },
    RATE: {
        "fastai": "learn.fit_one_cycle(…, lr_max=…)",
        "keras": "keras.optimizers.Adam(learning_rate=…)",
        "lightning": "configure_optimizers",
        "skorch": "NeuralNet(lr=…)",
        "stable_baselines3": "learning_rate=…",
        "transformers": "TrainingArguments(learning_rate=…)",
    },
    DECAY: {
        "fastai": "learn.fit_one_cycle(…, wd=…)",
        "keras": "keras.optimizers.AdamW(weight_decay=…)",
        "lightning": "configure_optimizers",
        "skorch": "NeuralNet(optimizer__weight_decay=…)",
        "stable_baselines3": 'policy_kwargs={"optimizer_kwargs": {"weight_decay": …}}',
        "transformers": "TrainingArguments(weight_decay=…)",
    },
    SCHEDULE: {
        "keras": "keras.optimizers.Adam(learning_rate=keras.optimizers.schedules.CosineDecay(…))",
        "lightning": '{"scheduler": scheduler, "interval": "step"}',
        "skorch": 'callbacks=[LRScheduler(…, step_every="batch")]',
        "stable_baselines3": "learning_rate=lambda left: … * left",
        "transformers": "TrainingArguments(lr_scheduler_type=…, warmup_steps=…)",
    },
    PRECISION: {
        "accelerate": 'Accelerator(mixed_precision="bf16")',
        "keras": 'keras.config.set_dtype_policy("mixed_bfloat16")',
        "lightning": 'Trainer(precision="bf16-mixed")',
        "transformers": "TrainingArguments(bf16=True)",
    },
    _VALIDATION: {
        "keras": "model.fit(validation_data=…)",
        "lightning": 'self.log("val_loss", …)',
        "skorch": "NeuralNet(train_split=ValidSplit(…))",
        "transformers": 'TrainingArguments(eval_strategy="steps")',
    },
}
_SET = Text("set `{setting}`")
_TOLD = Text("{advice}\n\n{framework} has a setting for it: `{setting}`.")


def told(finding: Finding, setting: str, facts: Mapping[str, str]) -> Finding:
    """The finding, its advice ending with where the run's framework keeps that setting, if it does.

    Args:
        finding: of a rule.
        setting: what the rule says that its advice changes, "" for nothing of the kind.
        facts: of the run.
    """
    code = _code(setting, facts)
    if code is None:
        return finding
    words = {"advice": finding.advice, "framework": _TITLES[facts[FACT]], "setting": code}
    return replace(finding, advice=_TOLD.format(**words))


def instead(hint: str, facts: Mapping[str, str]) -> Text | None:
    """How the run's framework is told to record what the hint's call would; None where it has no setting for that."""
    code = _code(_BY_HINT.get(hint, ""), facts)
    return None if code is None else _SET.format(setting=code)


def _code(setting: str, facts: Mapping[str, str]) -> str | None:
    return _SETTINGS.get(setting, {}).get(facts.get(FACT, ""))
