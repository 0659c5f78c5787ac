"""LD4: a loss of several terms: which dominates, which is dead, which pull against each other."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.loss_terms.accumulation_not_divided import AccumulationNotDivided
from tb_lossdiag.rules.loss_terms.certainty_rewarded import CertaintyRewarded
from tb_lossdiag.rules.loss_terms.decay_eats_weights import DecayEatsWeights
from tb_lossdiag.rules.loss_terms.detached_term import DetachedTerm
from tb_lossdiag.rules.loss_terms.logged_is_not_trained import LoggedIsNotTrained
from tb_lossdiag.rules.loss_terms.players_agree import PlayersAgree
from tb_lossdiag.rules.loss_terms.regulariser_overwhelms import RegulariserOverwhelms
from tb_lossdiag.rules.loss_terms.teacher_not_heard import TeacherNotHeard
from tb_lossdiag.rules.loss_terms.term_collapse import TermCollapse
from tb_lossdiag.rules.loss_terms.term_conflict import TermConflict
from tb_lossdiag.rules.loss_terms.term_constant import TermConstant
from tb_lossdiag.rules.loss_terms.term_dominance import TermDominance
from tb_lossdiag.rules.loss_terms.terms_do_not_sum import TermsDoNotSum
from tb_lossdiag.rules.loss_terms.uneven_token_weight import UnevenTokenWeight
from tb_lossdiag.rules.loss_terms.weights_without_price import WeightsWithoutPrice

RULES: tuple[Rule, ...] = (
    TermDominance(),
    TermCollapse(),
    TermsDoNotSum(),
    DetachedTerm(),
    TermConflict(),
    TermConstant(),
    RegulariserOverwhelms(),
    AccumulationNotDivided(),
    UnevenTokenWeight(),
    LoggedIsNotTrained(),
    PlayersAgree(),
    DecayEatsWeights(),
    CertaintyRewarded(),
    WeightsWithoutPrice(),
    TeacherNotHeard(),
)
