"""LD3: gradient clipping: its order, its threshold, what it does to the step."""

from __future__ import annotations

from tb_lossdiag.diagnosis.rule import Rule
from tb_lossdiag.rules.clipping.clip_after_step import ClipAfterStep
from tb_lossdiag.rules.clipping.clip_before_unscale import ClipBeforeUnscale
from tb_lossdiag.rules.clipping.clip_poison import ClipPoison
from tb_lossdiag.rules.clipping.clip_threshold_drift import ClipThresholdDrift
from tb_lossdiag.rules.clipping.constant_clipping import ConstantClipping
from tb_lossdiag.rules.clipping.empty_clip import EmptyClip
from tb_lossdiag.rules.clipping.idle_clipping import IdleClipping
from tb_lossdiag.rules.clipping.partial_clipping import PartialClipping
from tb_lossdiag.rules.clipping.unrecorded_clipping import UnrecordedClipping

RULES: tuple[Rule, ...] = (
    ConstantClipping(),
    ClipAfterStep(),
    ClipBeforeUnscale(),
    ClipPoison(),
    IdleClipping(),
    ClipThresholdDrift(),
    PartialClipping(),
    UnrecordedClipping(),
    EmptyClip(),
)
