"""Under which tags training frameworks write their loss, learning rate and gradient norm.

Tags are compared in lower case, with "_" for blanks and hyphens, and with the name of a sub-run such as `train` or `validation` in
front. Patterns match the whole tag; of several the first that any tag matches counts. A group in a pattern names the column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tb_lossdiag.quantities import (
    ACCURACY,
    GLOBAL_NORM,
    LEARNING_RATE,
    LOSS,
    LOSS_TERM,
    VALIDATION_ACCURACY,
    VALIDATION_LOSS,
    VALIDATION_LOSS_TERM,
    Quantity,
)

_T = "(?:train(?:ing)?)"
_V = "(?:val(?:id(?:ation)?)?|eval(?:uation)?|dev)"
_RATE = "(?:lr|learning_rate)"
_ACC = "(?:(?:(?:sparse_)?categorical_|binary_|mean_|multiclass_?)?acc(?:uracy)?|(?:acc(?:uracy)?_?)?top_?1|acc@?1)"
_YOLO_TERMS = "(box|cls|dfl|obj|seg|pose|kobj)_loss"
_MEGATRON_TERMS = r"((?:(?:seq|global)_)?load_balancing_loss|z_loss|mtp_\d+_loss)"
"""What routers and the prediction of further tokens add, as megatron/core/transformer writes it: before its coefficient, so no weight is known."""

Patterns = Mapping[Quantity, tuple[str, ...]]


@dataclass(frozen=True)
class Style:
    """How one framework names its scalars.

    Attributes:
        name: for the fact `logged_by`.
        tags: patterns of each quantity, the preferred first.
        summed: a loss that is not written is the sum of its terms.
        sign: pattern of the tag that gives the style away; by default any of those of its first quantity.
    """

    name: str
    tags: Patterns
    summed: bool = False
    sign: str = ""

    def applies(self, tags: list[str]) -> bool:
        """Whether these (normalised) tags are of this style."""
        patterns = (self.sign,) if self.sign else next(iter(self.tags.values()))
        return any(re.fullmatch(pattern, tag) for pattern in patterns for tag in tags)


STYLES = (
    # keras/src/callbacks/tensorboard.py: `batch_*` with update_freq=N, `evaluation_*_vs_iterations` on the same axis.
    Style(
        "Keras",
        {
            LOSS: ("train/batch_loss",),
            VALIDATION_LOSS: (f"{_V}/evaluation_loss_vs_iterations",),
            LEARNING_RATE: (f"train/(?:batch|epoch)_{_RATE}",),
            ACCURACY: (f"train/batch_{_ACC}",),
            VALIDATION_ACCURACY: (f"{_V}/evaluation_{_ACC}_vs_iterations",),
        },
    ),
    # The same file: `epoch_*` in the sub-runs `train` and `validation`; the step is the epoch.
    Style(
        "Keras",
        {
            LOSS: ("train/epoch_loss",),
            VALIDATION_LOSS: (f"{_V}/epoch_loss",),
            LEARNING_RATE: (f"train/epoch_{_RATE}",),
            ACCURACY: (f"train/epoch_{_ACC}",),
            VALIDATION_ACCURACY: (f"{_V}/epoch_{_ACC}",),
        },
    ),
    # ultralytics/utils/callbacks/tensorboard.py: terms with their gains applied, no total; YOLOv5 writes x/lr0.
    Style(
        "YOLO",
        {
            LOSS_TERM: (f"train/{_YOLO_TERMS}",),
            VALIDATION_LOSS_TERM: (f"val/{_YOLO_TERMS}",),
            LEARNING_RATE: (r"lr/pg(\d+)", r"x/lr(\d+)"),
        },
        summed=True,
        sign="train/box_loss",
    ),
    # detectron2/engine/train_loop.py: total_loss is the sum of loss_*; each is a median over 20 steps of its own, so they carry no
    # weights here: medians do not add up.
    Style(
        "detectron2",
        {
            LOSS: ("total_loss",),
            LOSS_TERM: (f"loss_((?!{_T}|{_V}|test)[a-z0-9_]+)",),
            VALIDATION_LOSS: ("validation_loss", f"{_V}/total_loss", f"{_V}_total_loss"),
            LEARNING_RATE: ("lr",),
        },
    ),
    # fairseq/logging/progress_bar.py: sub-runs train_inner (every log interval), train (every epoch), valid.
    Style(
        "fairseq",
        {
            LOSS: ("train_inner/loss",),
            VALIDATION_LOSS: ("valid/loss",),
            LEARNING_RATE: ("train_inner/lr",),
            GLOBAL_NORM: ("train_inner/gnorm",),
        },
    ),
    # megatron/training/training.py; "… vs samples" repeats each on another axis and does not match.
    Style(
        "Megatron-LM",
        {
            LOSS: ("lm_loss",),
            LOSS_TERM: (_MEGATRON_TERMS,),
            VALIDATION_LOSS: ("lm_loss_validation",),
            LEARNING_RATE: ("learning_rate",),
            GLOBAL_NORM: ("grad_norm",),
        },
    ),
    # allenai/OLMo-core, src/olmo_core/train/{trainer,common}.py and callbacks; of experts also nn/moe. Losses of routers are logged with
    # their coefficients applied.
    Style(
        "OLMo-core",
        {
            LOSS: ("train/ce_loss",),
            LOSS_TERM: (r"train/(load_balancing_loss|router_z_loss|z_loss)",),
            LEARNING_RATE: (r"optim/lr_\(group_(\d+)\)", "optim/lr"),
            GLOBAL_NORM: ("optim/total_grad_norm",),
        },
        sign="optim/total_grad_norm",
    ),
    # nemo/lightning and its Megatron models (reduced_train_loss; train_loss is one rank's); Lightning's counters.
    Style(
        "NeMo",
        {
            LOSS: ("reduced_train_loss",),
            LOSS_TERM: (_MEGATRON_TERMS,),
            VALIDATION_LOSS: ("val_loss", "validation_loss"),
            LEARNING_RATE: ("lr",),
            GLOBAL_NORM: ("grad_norm", "gradient_norm"),
        },
    ),
    # coqui-ai/Trainer, trainer/logging/tensorboard_logger.py; older ones put the model's name in front. Models of several
    # optimizers write loss_0, loss_1: players, none of which is the loss.
    Style(
        "Coqui",
        {
            LOSS: (r"(?:\w+_)?trainiterstats/loss", r"(?:\w+_)?trainepochstats/avg_loss"),
            VALIDATION_LOSS: (r"(?:\w+_)?evalstats/avg_loss",),
            LEARNING_RATE: (r"(?:\w+_)?trainiterstats/current_lr(?:_(\d+))?",),
            GLOBAL_NORM: (r"(?:\w+_)?trainiterstats/grad_norm",),
        },
    ),
    # torchtitan/components/metrics.py and validate.py.
    Style(
        "torchtitan",
        {
            LOSS: ("loss_metrics/global_avg_loss",),
            VALIDATION_LOSS: ("validation_metrics/loss",),
            LEARNING_RATE: ("lr",),
            GLOBAL_NORM: ("grad_norm",),
        },
    ),
)

ANY = Style(
    "",
    {
        LOSS: (
            # Transformers (integrations/integration_utils.py, rewrite_logs), nanoGPT-like scripts, PyTorch's tutorials.
            f"{_T}/loss",
            f"loss(?:es)?/{_T}",
            # Lightning (self.log("train_loss", on_step=True, on_epoch=True) adds _step and _epoch), timm's summary.
            f"{_T}_loss_step",
            f"{_T}/loss_step",
            f"{_T}_loss",
            f"loss_{_T}",
            # torchtune recipes (log_dict), Accelerate scripts.
            "loss",
            f"{_T}/total_loss",
            "total_loss",
            "loss/total",
            "batch_loss",
            f"{_T}_loss_epoch",
            f"{_T}/loss_epoch",
            # tinker-cookbook, tinker_cookbook/supervised/train.py.
            f"{_T}_mean_nll",
            # Preference tuning by hand, tinker-cookbook, OpenRLHF.
            rf"(?:{_T}/)?(?:dpo|preference)_loss(?:_mean)?",
            # Transformers writes train/train_loss once, at the end: last choice.
            f"{_T}/{_T}_loss",
        ),
        VALIDATION_LOSS: (
            f"{_V}/loss",
            f"loss(?:es)?/{_V}",
            f"{_V}_loss",
            f"loss_{_V}",
            # Never …_step: Lightning counts validation batches there.
            f"{_V}_loss_epoch",
            f"{_V}/loss_epoch",
            f"{_V}/total_loss",
            f"{_V}/{_V}_loss",
            # Scripts that call the held-out set "test" write it every epoch.
            "test/loss",
            "loss(?:es)?/test",
            "test_loss",
            "loss_test",
            "test/nll",
        ),
        # Lightning's and Keras' metrics, torchvision's and timm's top 1, scripts of all kinds.
        ACCURACY: (
            f"{_T}/{_ACC}",
            f"{_T}_{_ACC}(?:_epoch)?",
            f"{_ACC}/{_T}",
            f"{_ACC}_{_T}",
            f"{_T}(?:/|_){_ACC}_step",
            f"{_T}/{_T}_{_ACC}",
            _ACC,
        ),
        VALIDATION_ACCURACY: (
            f"{_V}/{_ACC}",
            f"{_V}_{_ACC}(?:_epoch)?",
            f"{_ACC}/{_V}",
            f"{_ACC}_{_V}",
            f"{_V}/{_V}_{_ACC}",
            f"(?:eval|metrics)/{_ACC}",
            f"test(?:/|_){_ACC}",
            f"{_ACC}(?:/|_)test",
        ),
        LEARNING_RATE: (
            _RATE,
            f"{_T}/{_RATE}",
            f"{_T}_{_RATE}",
            f"optim(?:izer)?/{_RATE}",
            f"{_RATE}/(?:pg|group_?)(\\d+)",
            # Lightning's LearningRateMonitor: lr-AdamW, lr-SGD-1, lr-AdamW/pg2; the same with -momentum and -weight_decay.
            r"lr_((?!.*(?:momentum|weight_decay|betas))[a-z]\w*(?:/pg\d+)?)",
        ),
        GLOBAL_NORM: (
            # Transformers: train/grad_norm; torchtune and Accelerate scripts: grad_norm. All before clipping, as torch returns it.
            f"(?:{_T}/)?(?:total_|global_)?grad(?:ient)?_norm",
            f"(?:{_T}/)?gnorm",
            "grad(?:ient)?s?/(?:total_)?norm",
            # Lightning's lightning.pytorch.utilities.grad_norm.
            r"(?:.*/)?grad_2(?:\.0)?_norm_total",
        ),
    },
)
"""What remains, of any origin; also fills what a style has no tag for."""


NO_DESCENT = re.compile(
    # Stable-Baselines3 (common/on_policy_algorithm.py), CleanRL, TRL's GRPO and PPO: the loss is a surrogate that need not fall.
    r"(?:.*/)?(?:ep_rew_mean|episod\w*_(?:return|reward)|reward(?!_(?:margin|acc))(?:_\w+)?|(?:policy(?:_gradient)?|td|q|actor|critic)_loss)"
    # Two players: each loss depends on the other one.
    r"|(?:.*/)?(?:loss_(?:d|disc|discriminator)|(?:d|disc|discriminator)_loss)(?:_\w+)?"
)
"""Tags of trainings whose loss is no measure of progress: no loss is taken from them unless the user says which."""


def normalised(tag: str) -> str:
    """A tag the way patterns are written.

    >>> normalised("Loss/Train"), normalised("lm loss"), normalised("lr-AdamW/pg1")
    ('loss/train', 'lm_loss', 'lr_adamw/pg1')
    """
    return re.sub(r"[\s-]+", "_", tag.strip().strip("/").lower())
