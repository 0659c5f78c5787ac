"""The rules, in the order of their codes.

To add one:

1. write `rules/<name>.py` with a frozen dataclass shaped like `tb_lossdiag.diagnosis.rule.Rule`; copy a short neighbour such as
   `clip_after_step.py`. Its fields are the thresholds, each with a `#:` comment (unit; source or reason); its docstring is the
   documentation in the tab, so keep the five sections; Chinese goes into the catalogue (`python3 tasks.py messages` adds the places);
2. declare in `reads` what it cannot do without and in `may_read` what it uses if it is there: nothing else can be read;
3. name in `explains` the codes of findings that are consequences of yours (no cycles: causes point to symptoms);
4. add one line to `RULES` below;
5. write `tests/unit/rules/test_<name>.py`: it fires on the smallest sick run, is clear on healthy ones and just below the
   threshold, and names the right column and window. `test_catalogue.py` and `test_properties.py` include it by themselves.

Raise `NotEnough` when there are too few records to judge: silence would read as health.
"""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.activation_explosion import ActivationExplosion
from tb_lossdiag.rules.adversary_collapse import AdversaryCollapse
from tb_lossdiag.rules.amp_step_skips import AmpStepSkips
from tb_lossdiag.rules.bad_targets import BadTargets
from tb_lossdiag.rules.batchnorm_tiny_batch import BatchnormTinyBatch
from tb_lossdiag.rules.cadence_too_coarse import CadenceTooCoarse
from tb_lossdiag.rules.class_imbalance import ClassImbalance
from tb_lossdiag.rules.clip_after_step import ClipAfterStep
from tb_lossdiag.rules.clip_before_unscale import ClipBeforeUnscale
from tb_lossdiag.rules.clip_poison import ClipPoison
from tb_lossdiag.rules.clip_threshold_drift import ClipThresholdDrift
from tb_lossdiag.rules.collapsed_representation import CollapsedRepresentation
from tb_lossdiag.rules.constant_clipping import ConstantClipping
from tb_lossdiag.rules.constant_output import ConstantOutput
from tb_lossdiag.rules.dead_relu import DeadRelu
from tb_lossdiag.rules.detached_term import DetachedTerm
from tb_lossdiag.rules.eval_mode_training import EvalModeTraining
from tb_lossdiag.rules.everything_frozen import EverythingFrozen
from tb_lossdiag.rules.exploding_gradient import ExplodingGradient
from tb_lossdiag.rules.foreign_optimizer import ForeignOptimizer
from tb_lossdiag.rules.generalisation_gap import GeneralisationGap
from tb_lossdiag.rules.gradient_noise import GradientNoise
from tb_lossdiag.rules.gradient_spike import GradientSpike
from tb_lossdiag.rules.gradient_underflow import GradientUnderflow
from tb_lossdiag.rules.idle_clipping import IdleClipping
from tb_lossdiag.rules.initial_loss_off import InitialLossOff
from tb_lossdiag.rules.input_starved import InputStarved
from tb_lossdiag.rules.logits_into_probability_loss import LogitsIntoProbabilityLoss
from tb_lossdiag.rules.loss_divergence import LossDivergence
from tb_lossdiag.rules.loss_oscillation import LossOscillation
from tb_lossdiag.rules.loss_scale_collapse import LossScaleCollapse
from tb_lossdiag.rules.loss_spike import LossSpike
from tb_lossdiag.rules.missing_nonlinearity import MissingNonlinearity
from tb_lossdiag.rules.missing_zero_grad import MissingZeroGrad
from tb_lossdiag.rules.monitoring_cost import MonitoringCost
from tb_lossdiag.rules.mse_for_classification import MseForClassification
from tb_lossdiag.rules.no_gradient import NoGradient
from tb_lossdiag.rules.non_finite_gradient import NonFiniteGradient
from tb_lossdiag.rules.non_finite_loss import NonFiniteLoss
from tb_lossdiag.rules.not_learning import NotLearning
from tb_lossdiag.rules.optimizer_hygiene import OptimizerHygiene
from tb_lossdiag.rules.outlier_dominated_loss import OutlierDominatedLoss
from tb_lossdiag.rules.output_range_mismatch import OutputRangeMismatch
from tb_lossdiag.rules.overfitting import Overfitting
from tb_lossdiag.rules.parameters_not_in_optimizer import ParametersNotInOptimizer
from tb_lossdiag.rules.partial_clipping import PartialClipping
from tb_lossdiag.rules.rank_divergence import RankDivergence
from tb_lossdiag.rules.record_gap import RecordGap
from tb_lossdiag.rules.regulariser_overwhelms import RegulariserOverwhelms
from tb_lossdiag.rules.saturated_activation import SaturatedActivation
from tb_lossdiag.rules.scheduler_misuse import SchedulerMisuse
from tb_lossdiag.rules.sigmoid_before_bce_with_logits import SigmoidBeforeBceWithLogits
from tb_lossdiag.rules.slow_convergence import SlowConvergence
from tb_lossdiag.rules.softmax_before_cross_entropy import SoftmaxBeforeCrossEntropy
from tb_lossdiag.rules.step_changes_nothing import StepChangesNothing
from tb_lossdiag.rules.sum_reduction import SumReduction
from tb_lossdiag.rules.target_broadcast import TargetBroadcast
from tb_lossdiag.rules.term_collapse import TermCollapse
from tb_lossdiag.rules.term_conflict import TermConflict
from tb_lossdiag.rules.term_constant import TermConstant
from tb_lossdiag.rules.term_dominance import TermDominance
from tb_lossdiag.rules.terms_do_not_sum import TermsDoNotSum
from tb_lossdiag.rules.unbounded_loss import UnboundedLoss
from tb_lossdiag.rules.unrecorded_clipping import UnrecordedClipping
from tb_lossdiag.rules.unscaled_data import UnscaledData
from tb_lossdiag.rules.update_too_large import UpdateTooLarge
from tb_lossdiag.rules.update_too_small import UpdateTooSmall
from tb_lossdiag.rules.vanishing_gradient import VanishingGradient
from tb_lossdiag.rules.weight_growth import WeightGrowth
from tb_lossdiag.rules.zero_gradient import ZeroGradient

RULES: tuple[Rule, ...] = (
    NonFiniteLoss(),
    LossDivergence(),
    LossSpike(),
    NotLearning(),
    LossOscillation(),
    InitialLossOff(),
    Overfitting(),
    GeneralisationGap(),
    SlowConvergence(),
    UnboundedLoss(),
    VanishingGradient(),
    ExplodingGradient(),
    GradientSpike(),
    NoGradient(),
    ZeroGradient(),
    NonFiniteGradient(),
    GradientNoise(),
    ConstantClipping(),
    ClipAfterStep(),
    ClipBeforeUnscale(),
    ClipPoison(),
    IdleClipping(),
    ClipThresholdDrift(),
    PartialClipping(),
    UnrecordedClipping(),
    TermDominance(),
    TermCollapse(),
    TermsDoNotSum(),
    DetachedTerm(),
    TermConflict(),
    TermConstant(),
    RegulariserOverwhelms(),
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
    ForeignOptimizer(),
    StepChangesNothing(),
    MissingZeroGrad(),
    SchedulerMisuse(),
    WeightGrowth(),
    OptimizerHygiene(),
    EverythingFrozen(),
    DeadRelu(),
    SaturatedActivation(),
    EvalModeTraining(),
    ActivationExplosion(),
    ConstantOutput(),
    BatchnormTinyBatch(),
    CollapsedRepresentation(),
    MissingNonlinearity(),
    AdversaryCollapse(),
    AmpStepSkips(),
    LossScaleCollapse(),
    RankDivergence(),
    InputStarved(),
    GradientUnderflow(),
    RecordGap(),
    CadenceTooCoarse(),
    MonitoringCost(),
)
"""All rules, by code."""
