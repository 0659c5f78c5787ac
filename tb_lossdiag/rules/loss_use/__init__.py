"""LD5: how the loss function is called and with what."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.loss_use.advantage_of_two_scales import AdvantageOfTwoScales
from tb_lossdiag.rules.loss_use.advantage_trained import AdvantageTrained
from tb_lossdiag.rules.loss_use.answer_among_inputs import AnswerAmongInputs
from tb_lossdiag.rules.loss_use.bad_targets import BadTargets
from tb_lossdiag.rules.loss_use.channels_reshaped import ChannelsReshaped
from tb_lossdiag.rules.loss_use.class_imbalance import ClassImbalance
from tb_lossdiag.rules.loss_use.dropout_on_the_answer import DropoutOnTheAnswer
from tb_lossdiag.rules.loss_use.embeddings_alike import EmbeddingsAlike
from tb_lossdiag.rules.loss_use.focus_of_mean import FocusOfMean
from tb_lossdiag.rules.loss_use.logit_scale import LogitScale
from tb_lossdiag.rules.loss_use.logits_into_probability_loss import LogitsIntoProbabilityLoss
from tb_lossdiag.rules.loss_use.loss_on_padding import LossOnPadding
from tb_lossdiag.rules.loss_use.more_symbols_than_frames import MoreSymbolsThanFrames
from tb_lossdiag.rules.loss_use.mse_for_classification import MseForClassification
from tb_lossdiag.rules.loss_use.never_asked_for import NeverAskedFor
from tb_lossdiag.rules.loss_use.nothing_asked import NothingAsked
from tb_lossdiag.rules.loss_use.one_prediction import OnePrediction
from tb_lossdiag.rules.loss_use.outlier_dominated_loss import OutlierDominatedLoss
from tb_lossdiag.rules.loss_use.output_range_mismatch import OutputRangeMismatch
from tb_lossdiag.rules.loss_use.own_target import OwnTarget
from tb_lossdiag.rules.loss_use.padding_centred import PaddingCentred
from tb_lossdiag.rules.loss_use.questions_scored import QuestionsScored
from tb_lossdiag.rules.loss_use.ratio_to_itself import RatioToItself
from tb_lossdiag.rules.loss_use.sequences_like_noise import SequencesLikeNoise
from tb_lossdiag.rules.loss_use.sigmoid_before_bce_with_logits import SigmoidBeforeBceWithLogits
from tb_lossdiag.rules.loss_use.softmax_before_cross_entropy import SoftmaxBeforeCrossEntropy
from tb_lossdiag.rules.loss_use.sum_reduction import SumReduction
from tb_lossdiag.rules.loss_use.target_broadcast import TargetBroadcast
from tb_lossdiag.rules.loss_use.targets_misaligned import TargetsMisaligned
from tb_lossdiag.rules.loss_use.targets_of_others import TargetsOfOthers
from tb_lossdiag.rules.loss_use.times_decide import TimesDecide
from tb_lossdiag.rules.loss_use.tokens_alike import TokensAlike
from tb_lossdiag.rules.loss_use.turned_apart import TurnedApart
from tb_lossdiag.rules.loss_use.uniform_collapse import UniformCollapse
from tb_lossdiag.rules.loss_use.unscaled_data import UnscaledData
from tb_lossdiag.rules.loss_use.variance_floor import VarianceFloor
from tb_lossdiag.rules.loss_use.weights_less_even import WeightsLessEven

RULES: tuple[Rule, ...] = (
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
    NothingAsked(),
    QuestionsScored(),
    TargetsMisaligned(),
    NeverAskedFor(),
    LossOnPadding(),
    TokensAlike(),
    SequencesLikeNoise(),
    EmbeddingsAlike(),
    LogitScale(),
    TimesDecide(),
    WeightsLessEven(),
    OnePrediction(),
    MoreSymbolsThanFrames(),
    AnswerAmongInputs(),
    AdvantageTrained(),
    FocusOfMean(),
    RatioToItself(),
    AdvantageOfTwoScales(),
    PaddingCentred(),
    VarianceFloor(),
    OwnTarget(),
    UniformCollapse(),
    TargetsOfOthers(),
    TurnedApart(),
    ChannelsReshaped(),
    DropoutOnTheAnswer(),
)
