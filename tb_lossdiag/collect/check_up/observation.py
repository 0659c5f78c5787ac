"""What one check-up under way knows."""

from __future__ import annotations

import math
import time

from tb_lossdiag.collect.check_up.gradients import Gradients, Norms
from tb_lossdiag.collect.check_up.loss.calls import Calls
from tb_lossdiag.collect.check_up.model.forward import Forwards
from tb_lossdiag.collect.check_up.subject import Subject
from tb_lossdiag.collect.check_up.unchanged import UnchangedShare
from tb_lossdiag.collect.check_up.values import Facts
from tb_lossdiag.collect.state.processor import queued


class CheckUpState:
    """What one check-up under way knows."""

    def __init__(self, subject: Subject, *, activations: bool) -> None:
        self.began, self.queued = time.perf_counter(), queued()
        self.calls = Calls()
        self.forwards = Forwards(subject.root(), activations=activations)
        self.gradients = Gradients(subject)
        self.fed_by: int | None = None
        self.closure = False
        self.at_step: Norms | None = None
        self.modes: Facts = {}
        self.snapshot: UnchangedShare | None = None
        self.scheduler_early = math.nan
