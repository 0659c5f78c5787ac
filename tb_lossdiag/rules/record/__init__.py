"""LD9: the record itself: gaps, cadence, what it costs."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.record.cadence_too_coarse import CadenceTooCoarse
from tb_lossdiag.rules.record.monitoring_cost import MonitoringCost
from tb_lossdiag.rules.record.record_gap import RecordGap
from tb_lossdiag.rules.record.steps_not_seen import StepsNotSeen

RULES: tuple[Rule, ...] = (
    RecordGap(),
    CadenceTooCoarse(),
    MonitoringCost(),
    StepsNotSeen(),
)
