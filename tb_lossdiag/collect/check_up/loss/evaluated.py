"""What a validation compares the model's answers with, seen where it comes before a step that is looked at."""

from __future__ import annotations

import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.loss.loss_call import loss_call
from tb_lossdiag.collect.check_up.mode import FunctionCall
from tb_lossdiag.collect.check_up.values import Facts, part
from tb_lossdiag.quantities import EVAL_TARGET_MEAN, EVAL_TARGET_STD, made_for

_SAMPLED = 65_536


class EvaluatedTargets:
    """The targets of the first distance that is taken without gradients; which side they are tells the training's call."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Facts, Facts]] = {}
        self._swapped: dict[str, bool] = {}

    def look(self, call: FunctionCall) -> None:
        """A distance without gradients: either side may be the targets."""
        if call.name in self._seen or not made_for(call.name).symmetric:
            return
        made = loss_call(call.name, call.function, call.args, call.kwargs, call.result)
        if made is None or made.target is None or made.target.shape != made.input.shape:
            return
        if made.input.is_floating_point() and made.target.is_floating_point():
            self._seen[call.name] = _scale(made.target), _scale(made.input)

    def trained(self, call: FunctionCall, target: Tensor | None) -> None:
        """A distance with gradients."""
        if call.name in self._seen and target is not None:
            first = call.args[0] if call.args else call.kwargs.get("input")
            self._swapped.setdefault(call.name, target is first)

    def facts(self) -> Facts:
        """Mean and standard deviation of the targets, where training calls the same function."""
        for name, swapped in self._swapped.items():
            return self._seen[name][int(swapped)]
        return {}


def _scale(tensor: Tensor) -> Facts:
    std, mean = torch.std_mean(part(tensor.detach(), _SAMPLED).float(), correction=0)
    return {EVAL_TARGET_MEAN: mean, EVAL_TARGET_STD: std}
