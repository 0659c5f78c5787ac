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

from tb_lossdiag.rules.clip_after_step import ClipAfterStep
from tb_lossdiag.rules.constant_clipping import ConstantClipping
from tb_lossdiag.rules.detached_term import DetachedTerm
from tb_lossdiag.rules.exploding_gradient import ExplodingGradient
from tb_lossdiag.rules.generalisation_gap import GeneralisationGap
from tb_lossdiag.rules.gradient_noise import GradientNoise
from tb_lossdiag.rules.gradient_spike import GradientSpike
from tb_lossdiag.rules.initial_loss_off import InitialLossOff
from tb_lossdiag.rules.loss_divergence import LossDivergence
from tb_lossdiag.rules.loss_oscillation import LossOscillation
from tb_lossdiag.rules.loss_spike import LossSpike
from tb_lossdiag.rules.no_gradient import NoGradient
from tb_lossdiag.rules.non_finite_gradient import NonFiniteGradient
from tb_lossdiag.rules.non_finite_loss import NonFiniteLoss
from tb_lossdiag.rules.not_learning import NotLearning
from tb_lossdiag.rules.overfitting import Overfitting
from tb_lossdiag.rules.parameters_not_in_optimizer import ParametersNotInOptimizer
from tb_lossdiag.rules.record_gap import RecordGap
from tb_lossdiag.rules.regulariser_overwhelms import RegulariserOverwhelms
from tb_lossdiag.rules.rule import Rule
from tb_lossdiag.rules.slow_convergence import SlowConvergence
from tb_lossdiag.rules.term_collapse import TermCollapse
from tb_lossdiag.rules.term_conflict import TermConflict
from tb_lossdiag.rules.term_constant import TermConstant
from tb_lossdiag.rules.term_dominance import TermDominance
from tb_lossdiag.rules.terms_do_not_sum import TermsDoNotSum
from tb_lossdiag.rules.unbounded_loss import UnboundedLoss
from tb_lossdiag.rules.update_too_large import UpdateTooLarge
from tb_lossdiag.rules.update_too_small import UpdateTooSmall
from tb_lossdiag.rules.vanishing_gradient import VanishingGradient
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
    TermDominance(),
    TermCollapse(),
    TermsDoNotSum(),
    DetachedTerm(),
    TermConflict(),
    TermConstant(),
    RegulariserOverwhelms(),
    UpdateTooLarge(),
    UpdateTooSmall(),
    ParametersNotInOptimizer(),
    RecordGap(),
)
"""All rules, by code."""
