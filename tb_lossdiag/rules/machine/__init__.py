"""LD8: mixed precision, data-parallel ranks, waiting for data, data that repeats."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.machine.amp_step_skips import AmpStepSkips
from tb_lossdiag.rules.machine.cast_saturation import CastSaturation
from tb_lossdiag.rules.machine.data_seen_before import DataSeenBefore
from tb_lossdiag.rules.machine.gradient_underflow import GradientUnderflow
from tb_lossdiag.rules.machine.input_starved import InputStarved
from tb_lossdiag.rules.machine.loss_scale_collapse import LossScaleCollapse
from tb_lossdiag.rules.machine.rank_divergence import RankDivergence
from tb_lossdiag.rules.machine.rank_loss_apart import RankLossApart
from tb_lossdiag.rules.machine.repeated_data import RepeatedData
from tb_lossdiag.rules.machine.slow_rank import SlowRank
from tb_lossdiag.rules.machine.throughput_rot import ThroughputRot

RULES: tuple[Rule, ...] = (
    AmpStepSkips(),
    LossScaleCollapse(),
    RankDivergence(),
    InputStarved(),
    GradientUnderflow(),
    CastSaturation(),
    SlowRank(),
    RankLossApart(),
    RepeatedData(),
    DataSeenBefore(),
    ThroughputRot(),
)
