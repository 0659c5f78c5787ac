"""The rules, in the order of their codes.

To add one:

1. write `rules/<name>.py` with a frozen dataclass shaped like `tb_lossdiag.rules.rule.Rule`; copy a short neighbour such as
   `clip_after_step.py`. Its fields are the thresholds, each with a `#:` comment (unit; source or reason); its docstring and `zh` are
   the documentation in the tab, so keep the five sections;
2. declare in `reads` what it cannot do without and in `may_read` what it uses if it is there: nothing else can be read;
3. name in `explains` the codes of findings that are consequences of yours (no cycles: causes point to symptoms);
4. add one line to `RULES` below;
5. write `tests/unit/rules/test_<name>.py`: it fires on the smallest sick run, is clear on healthy ones and just below the
   threshold, and names the right column and window. `test_catalogue.py` and `test_properties.py` include it by themselves.

Raise `NotEnough` when there are too few records to judge: silence would read as health.
"""

from __future__ import annotations

from tb_lossdiag.rules.activation_explosion import ActivationExplosion
from tb_lossdiag.rules.adversary_collapse import AdversaryCollapse
from tb_lossdiag.rules.bad_targets import BadTargets
from tb_lossdiag.rules.batchnorm_tiny_batch import BatchnormTinyBatch
from tb_lossdiag.rules.class_imbalance import ClassImbalance
from tb_lossdiag.rules.clip_after_step import ClipAfterStep
from tb_lossdiag.rules.collapsed_representation import CollapsedRepresentation
from tb_lossdiag.rules.constant_clipping import ConstantClipping
from tb_lossdiag.rules.constant_output import ConstantOutput
from tb_lossdiag.rules.dead_relu import DeadRelu
from tb_lossdiag.rules.eval_mode_training import EvalModeTraining
from tb_lossdiag.rules.exploding_gradient import ExplodingGradient
from tb_lossdiag.rules.logits_into_probability_loss import LogitsIntoProbabilityLoss
from tb_lossdiag.rules.loss_divergence import LossDivergence
from tb_lossdiag.rules.missing_nonlinearity import MissingNonlinearity
from tb_lossdiag.rules.mse_for_classification import MseForClassification
from tb_lossdiag.rules.no_gradient import NoGradient
from tb_lossdiag.rules.non_finite_loss import NonFiniteLoss
from tb_lossdiag.rules.not_learning import NotLearning
from tb_lossdiag.rules.outlier_dominated_loss import OutlierDominatedLoss
from tb_lossdiag.rules.output_range_mismatch import OutputRangeMismatch
from tb_lossdiag.rules.overfitting import Overfitting
from tb_lossdiag.rules.parameters_not_in_optimizer import ParametersNotInOptimizer
from tb_lossdiag.rules.record_gap import RecordGap
from tb_lossdiag.rules.rule import Rule
from tb_lossdiag.rules.saturated_activation import SaturatedActivation
from tb_lossdiag.rules.sigmoid_before_bce_with_logits import SigmoidBeforeBceWithLogits
from tb_lossdiag.rules.softmax_before_cross_entropy import SoftmaxBeforeCrossEntropy
from tb_lossdiag.rules.sum_reduction import SumReduction
from tb_lossdiag.rules.target_broadcast import TargetBroadcast
from tb_lossdiag.rules.term_collapse import TermCollapse
from tb_lossdiag.rules.term_dominance import TermDominance
from tb_lossdiag.rules.terms_do_not_sum import TermsDoNotSum
from tb_lossdiag.rules.unscaled_data import UnscaledData
from tb_lossdiag.rules.update_too_large import UpdateTooLarge
from tb_lossdiag.rules.update_too_small import UpdateTooSmall
from tb_lossdiag.rules.vanishing_gradient import VanishingGradient

RULES: tuple[Rule, ...] = (
    NonFiniteLoss(),
    LossDivergence(),
    NotLearning(),
    Overfitting(),
    VanishingGradient(),
    ExplodingGradient(),
    NoGradient(),
    ConstantClipping(),
    ClipAfterStep(),
    TermDominance(),
    TermCollapse(),
    TermsDoNotSum(),
    SoftmaxBeforeCrossEntropy(),
    SigmoidBeforeBceWithLogits(),
    LogitsIntoProbabilityLoss(),
    TargetBroadcast(),
    MseForClassification(),
    BadTargets(),
    SumReduction(),
    OutlierDominatedLoss(),
    ClassImbalance(),
    UnscaledData(),
    OutputRangeMismatch(),
    UpdateTooLarge(),
    UpdateTooSmall(),
    ParametersNotInOptimizer(),
    DeadRelu(),
    SaturatedActivation(),
    EvalModeTraining(),
    ActivationExplosion(),
    ConstantOutput(),
    BatchnormTinyBatch(),
    CollapsedRepresentation(),
    MissingNonlinearity(),
    AdversaryCollapse(),
    RecordGap(),
)
"""All rules, by code."""
