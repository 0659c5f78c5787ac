"""LD1: what the curve of the loss says by itself."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.loss_curve.accuracy_stands_still import AccuracyStandsStill
from tb_lossdiag.rules.loss_curve.epoch_boundary_jump import EpochBoundaryJump
from tb_lossdiag.rules.loss_curve.generalisation_gap import GeneralisationGap
from tb_lossdiag.rules.loss_curve.initial_loss_off import InitialLossOff
from tb_lossdiag.rules.loss_curve.loss_above_chance import LossAboveChance
from tb_lossdiag.rules.loss_curve.loss_divergence import LossDivergence
from tb_lossdiag.rules.loss_curve.loss_exactly_zero import LossExactlyZero
from tb_lossdiag.rules.loss_curve.loss_oscillation import LossOscillation
from tb_lossdiag.rules.loss_curve.loss_spike import LossSpike
from tb_lossdiag.rules.loss_curve.non_finite_loss import NonFiniteLoss
from tb_lossdiag.rules.loss_curve.not_learning import NotLearning
from tb_lossdiag.rules.loss_curve.overfitting import Overfitting
from tb_lossdiag.rules.loss_curve.resume_discontinuity import ResumeDiscontinuity
from tb_lossdiag.rules.loss_curve.settled_above_start import SettledAboveStart
from tb_lossdiag.rules.loss_curve.slow_convergence import SlowConvergence
from tb_lossdiag.rules.loss_curve.unbounded_loss import UnboundedLoss

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
    SettledAboveStart(),
    LossAboveChance(),
    ResumeDiscontinuity(),
    LossExactlyZero(),
    EpochBoundaryJump(),
    AccuracyStandsStill(),
)
