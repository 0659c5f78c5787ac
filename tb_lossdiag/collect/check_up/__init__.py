"""The check-up: how a training step is put together, seen from inside for one step at a time.

`CheckUp` observes one step of a model and its optimizer; `LossCalls` observes the loss calls of a loop without one.
"""

from tb_lossdiag.collect.check_up.alone import LossCalls
from tb_lossdiag.collect.check_up.check_up import CheckUp
from tb_lossdiag.collect.check_up.clear import clear
from tb_lossdiag.collect.check_up.loss.calls import MeasuredCall, record_loss_inputs
from tb_lossdiag.collect.check_up.subject import Subject

__all__ = ["CheckUp", "LossCalls", "MeasuredCall", "Subject", "clear", "record_loss_inputs"]
