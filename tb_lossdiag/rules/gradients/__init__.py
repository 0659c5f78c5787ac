"""LD2: gradients that vanish, explode, are missing or are not numbers."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.gradients.epsilon_dominates import EpsilonDominates
from tb_lossdiag.rules.gradients.exploding_gradient import ExplodingGradient
from tb_lossdiag.rules.gradients.gradient_noise import GradientNoise
from tb_lossdiag.rules.gradients.gradient_spike import GradientSpike
from tb_lossdiag.rules.gradients.loss_without_path import LossWithoutPath
from tb_lossdiag.rules.gradients.no_gradient import NoGradient
from tb_lossdiag.rules.gradients.non_finite_gradient import NonFiniteGradient
from tb_lossdiag.rules.gradients.vanishing_gradient import VanishingGradient
from tb_lossdiag.rules.gradients.zero_gradient import ZeroGradient

RULES: tuple[Rule, ...] = (
    VanishingGradient(),
    ExplodingGradient(),
    GradientSpike(),
    NoGradient(),
    ZeroGradient(),
    NonFiniteGradient(),
    GradientNoise(),
    LossWithoutPath(),
    EpsilonDominates(),
)
