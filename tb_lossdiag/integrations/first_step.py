"""The first training step of a script, seen so that it can be tried on copies: what the model was given, and what made the loss of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tb_lossdiag.collect.check_up.functions import Kind
from tb_lossdiag.collect.check_up.loss.loss_call import LossCall, loss_call
from tb_lossdiag.collect.check_up.loss.trained import Known, Trained, known, returned
from tb_lossdiag.collect.check_up.mode import FunctionCall, switchboard
from tb_lossdiag.collect.check_up.model.arguments import Arguments, Unknown, casts
from tb_lossdiag.collect.check_up.model.hooks import HOOKS, ModuleCall
from tb_lossdiag.collect.check_up.model.inputs import single_numbers, tensors_in
from tb_lossdiag.collect.check_up.subject import Subject

Loss = Callable[..., Any]
_MOST = 16
"""Loss calls that are kept."""


class Unclear(Exception):  # noqa: N818  (a reason, not an error)
    """The step cannot be repeated on copies; says why."""


class FirstStep:
    """Listens from before the model's first call until its optimizer steps.

    Args:
        root: the model itself.
    """

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self._given: Arguments | None = None
        self._outputs: list[Tensor] = []
        self._numbers: list[Known] = []
        self._calls: list[tuple[Known, LossCall]] = []
        self._trained = Trained()
        self._why = ""
        if Subject("", root, None).compiled():
            self._why = "the model is compiled, and its inside not seen"
            return
        HOOKS.add(self)
        if not switchboard().add(self):
            self._why = "a torch function mode is active, under which the loss cannot be seen"

    def end(self) -> None:
        """Listen no more."""
        HOOKS.remove(self)
        switchboard().remove(self)

    def made(self) -> tuple[Any, Loss]:
        """The batch and the loss function, as `preflight` takes them.

        Raises:
            Unclear: the step is none that can be repeated.
        """
        if self._why:
            raise Unclear(self._why)
        if not self._trained.passes:
            raise Unclear("there was no backward pass before the optimizer's first step")
        if self._given is None:
            raise Unclear(f"the script does not call the {type(self._root).__name__} as a whole")
        kin = self._trained.kin
        if kin is None:
            raise Unclear("the loss is put together from more than one call of a loss function")
        if not kin.name:
            return self._given, lambda output: single_numbers(output)[kin.place]
        call = next(call for one, call in self._calls if one.kin == kin)
        return self._by_function(self._given, call)

    def _by_function(self, given: Arguments, call: LossCall) -> tuple[Any, Loss]:
        tensors = [call.target, *(v for v in call.options.values() if isinstance(v, Tensor))]
        if call.target is None or any(t is not None and t.requires_grad for t in tensors):
            raise Unclear(f"{call.name} compares two things that the model made")
        way = next(self._ways(call), None)
        if way is None:
            raise Unclear("the script computes something between the model's output and the loss")
        place, turned = way

        def loss(output: Any, target: Tensor) -> Any:
            return _again(call, turned(list(tensors_in(output))[place]), target)

        return (given, call.target.detach()), loss

    def _ways(self, call: LossCall) -> Iterator[tuple[int, Callable[[Tensor], Tensor]]]:
        """How the loss function's input lies in what the model returned."""
        shape = call.input.shape
        turns: tuple[Callable[[Tensor], Tensor], ...] = (
            lambda t: t.reshape(shape),
            lambda t: t.movedim(-1, 1).reshape(shape),
        )
        for place, output in enumerate(self._outputs):
            for turn in turns if output.numel() == call.input.numel() else ():
                if torch.equal(turn(output), call.input.detach()):
                    yield place, turn

    # --- what happens ------------------------------------------------------------------------------------------------

    def entered(self, call: ModuleCall) -> None:
        """A module is called."""

    def left(self, call: ModuleCall) -> None:
        """It has returned."""
        if call.module is not self._root or self._trained.passes:
            return
        try:
            given = Arguments(call.args, call.kwargs, (), casts())
            self._given = given.mapped(lambda t: t.detach().clone())
        except Unknown as why:
            self._why = f"the model is given {why}, which cannot be copied"
        self._outputs = [t.detach() for t in tensors_in(call.output)]
        self._numbers = returned(single_numbers(call.output))

    def before(self, call: FunctionCall) -> None:
        """A function is called."""
        if call.kind is Kind.BACKWARD:
            roots = [t for t in call.tensors() if isinstance(t, Tensor)]
            self._trained.passed(roots, [*(one for one, _ in self._calls), *self._numbers])

    def after(self, call: FunctionCall) -> None:
        """It has returned."""
        if call.kind is not Kind.LOSS or not isinstance(call.result, Tensor):
            return
        seen = loss_call(call.name, call.function, call.args, call.kwargs, call.result)
        if seen is not None:
            self._calls = [*self._calls, *((one, seen) for one in known(seen))][-_MOST:]

    def aside(self, call: ModuleCall) -> None:
        """A module is called without gradients."""

    answered = aside

    def exported(self) -> None:
        """Nothing may listen."""
        self.failed(RuntimeError("the model is exported"))

    def failed(self, error: Exception) -> None:
        """It cannot be known."""
        self._why = f"{type(error).__name__}: {error}"
        self.end()


def _again(call: LossCall, predicted: Tensor, target: Tensor) -> Any:
    """The same function, called in the same manner."""
    assert call.function is not None  # noqa: S101  (one of torch's)
    return call.function(predicted, target, **call.options)
