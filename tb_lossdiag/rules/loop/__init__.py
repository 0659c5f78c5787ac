"""LD6: the training loop: optimizer, learning rate, order of the calls."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.loop.adapter_drowns import AdapterDrowns
from tb_lossdiag.rules.loop.broken_tie import BrokenTie
from tb_lossdiag.rules.loop.copy_out_of_step import CopyOutOfStep
from tb_lossdiag.rules.loop.custom_gradient import CustomGradient
from tb_lossdiag.rules.loop.evaluation_inputs_differ import EvaluationInputsDiffer
from tb_lossdiag.rules.loop.everything_frozen import EverythingFrozen
from tb_lossdiag.rules.loop.foreign_optimizer import ForeignOptimizer
from tb_lossdiag.rules.loop.gradient_reset_before_step import GradientResetBeforeStep
from tb_lossdiag.rules.loop.gradient_used_twice import GradientUsedTwice
from tb_lossdiag.rules.loop.gradients_of_another import GradientsOfAnother
from tb_lossdiag.rules.loop.gradients_thrown_away import GradientsThrownAway
from tb_lossdiag.rules.loop.missing_zero_grad import MissingZeroGrad
from tb_lossdiag.rules.loop.nothing_loaded import NothingLoaded
from tb_lossdiag.rules.loop.optimizer_hygiene import OptimizerHygiene
from tb_lossdiag.rules.loop.optimizer_made_anew import OptimizerMadeAnew
from tb_lossdiag.rules.loop.own_weights_loaded import OwnWeightsLoaded
from tb_lossdiag.rules.loop.parameters_not_in_optimizer import ParametersNotInOptimizer
from tb_lossdiag.rules.loop.rate_repeats import RateRepeats
from tb_lossdiag.rules.loop.running_statistics_off import RunningStatisticsOff
from tb_lossdiag.rules.loop.schedule_speed import ScheduleSpeed
from tb_lossdiag.rules.loop.scheduler_misuse import SchedulerMisuse
from tb_lossdiag.rules.loop.state_not_resumed import StateNotResumed
from tb_lossdiag.rules.loop.step_changes_nothing import StepChangesNothing
from tb_lossdiag.rules.loop.steps_taken_back import StepsTakenBack
from tb_lossdiag.rules.loop.unregistered_parameters import UnregisteredParameters
from tb_lossdiag.rules.loop.update_lost_in_rounding import UpdateLostInRounding
from tb_lossdiag.rules.loop.update_too_large import UpdateTooLarge
from tb_lossdiag.rules.loop.update_too_small import UpdateTooSmall
from tb_lossdiag.rules.loop.validated_in_train_mode import ValidatedInTrainMode
from tb_lossdiag.rules.loop.weight_growth import WeightGrowth
from tb_lossdiag.rules.loop.zero_learning_rate import ZeroLearningRate

RULES: tuple[Rule, ...] = (
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
    UpdateLostInRounding(),
    ZeroLearningRate(),
    ScheduleSpeed(),
    OptimizerMadeAnew(),
    GradientResetBeforeStep(),
    StateNotResumed(),
    BrokenTie(),
    GradientUsedTwice(),
    RunningStatisticsOff(),
    CopyOutOfStep(),
    UnregisteredParameters(),
    RateRepeats(),
    EvaluationInputsDiffer(),
    ValidatedInTrainMode(),
    GradientsThrownAway(),
    CustomGradient(),
    GradientsOfAnother(),
    StepsTakenBack(),
    AdapterDrowns(),
    OwnWeightsLoaded(),
    NothingLoaded(),
)
