"""LD7: what the modules do with their inputs."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.model.activation_explosion import ActivationExplosion
from tb_lossdiag.rules.model.adversary_collapse import AdversaryCollapse
from tb_lossdiag.rules.model.attention_collapse import AttentionCollapse
from tb_lossdiag.rules.model.attention_logit_growth import AttentionLogitGrowth
from tb_lossdiag.rules.model.attention_one_sided import AttentionOneSided
from tb_lossdiag.rules.model.balance_loss_idle import BalanceLossIdle
from tb_lossdiag.rules.model.batchnorm_tiny_batch import BatchnormTinyBatch
from tb_lossdiag.rules.model.collapsed_representation import CollapsedRepresentation
from tb_lossdiag.rules.model.constant_output import ConstantOutput
from tb_lossdiag.rules.model.dead_relu import DeadRelu
from tb_lossdiag.rules.model.document_leak import DocumentLeak
from tb_lossdiag.rules.model.eval_mode_training import EvalModeTraining
from tb_lossdiag.rules.model.expert_imbalance import ExpertImbalance
from tb_lossdiag.rules.model.extreme_dropout import ExtremeDropout
from tb_lossdiag.rules.model.future_leak import FutureLeak
from tb_lossdiag.rules.model.identical_units import IdenticalUnits
from tb_lossdiag.rules.model.missing_nonlinearity import MissingNonlinearity
from tb_lossdiag.rules.model.missing_normalisation import MissingNormalisation
from tb_lossdiag.rules.model.no_positions import NoPositions
from tb_lossdiag.rules.model.noise_in_eval import NoiseInEval
from tb_lossdiag.rules.model.output_logit_drift import OutputLogitDrift
from tb_lossdiag.rules.model.places_merged import PlacesMerged
from tb_lossdiag.rules.model.router_collapse import RouterCollapse
from tb_lossdiag.rules.model.sample_leak import SampleLeak
from tb_lossdiag.rules.model.saturated_activation import SaturatedActivation
from tb_lossdiag.rules.model.short_reach import ShortReach
from tb_lossdiag.rules.model.statistics_of_one_batch import StatisticsOfOneBatch
from tb_lossdiag.rules.model.sublayer_silent import SublayerSilent
from tb_lossdiag.rules.model.unused_input import UnusedInput
from tb_lossdiag.rules.model.weight_of_one import WeightOfOne

RULES: tuple[Rule, ...] = (
    DeadRelu(),
    SaturatedActivation(),
    EvalModeTraining(),
    ActivationExplosion(),
    ConstantOutput(),
    BatchnormTinyBatch(),
    CollapsedRepresentation(),
    MissingNonlinearity(),
    AdversaryCollapse(),
    AttentionLogitGrowth(),
    AttentionCollapse(),
    OutputLogitDrift(),
    ExpertImbalance(),
    RouterCollapse(),
    BalanceLossIdle(),
    FutureLeak(),
    DocumentLeak(),
    SampleLeak(),
    NoiseInEval(),
    ShortReach(),
    ExtremeDropout(),
    IdenticalUnits(),
    MissingNormalisation(),
    NoPositions(),
    AttentionOneSided(),
    SublayerSilent(),
    StatisticsOfOneBatch(),
    WeightOfOne(),
    PlacesMerged(),
    UnusedInput(),
)
