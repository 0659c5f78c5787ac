"""One call of `add_diagnostics`: checked, then measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tb_lossdiag.collect.buffers import loss_buffer
from tb_lossdiag.collect.buffers.queue import Queue
from tb_lossdiag.collect.call import arguments
from tb_lossdiag.collect.clips.clip import Clipper
from tb_lossdiag.collect.clips.ledger import ClipLedger, reported, unclipped
from tb_lossdiag.collect.guard import Guard
from tb_lossdiag.collect.state import scaler
from tb_lossdiag.collect.state.measurement import Measurement
from tb_lossdiag.collect.state.models import GivenModels, shared
from tb_lossdiag.collect.state.optimizers import Optimizers
from tb_lossdiag.collect.state.parameters import is_distributed, parameters
from tb_lossdiag.collect.state.small_norms import Zeros
from tb_lossdiag.collect.state.transfer import Number, as_number
from tb_lossdiag.collect.watch import gradient_norms
from tb_lossdiag.collect.watch.watch import Watch

Named = list[tuple[str, Measurement]]


@dataclass
class DiagnosticsCall:
    """The checked arguments of one call; None stands for "not given"."""

    phase: str
    model: nn.Module | None
    optimizer: Any
    loss: Number | None
    terms: Mapping[str, tuple[Number, Number, float]] | None
    clip: tuple[Tensor, float] | None
    scaler: Any
    extra: Mapping[str, Tensor] | None
    name: str = ""
    given: Mapping[str, Any] | None = None
    """The terms with their graphs, which must not outlive the call."""

    @property
    def own(self) -> bool:
        """Whether it gives numbers of the user's own and nothing of the training."""
        training = (self.model, self.optimizer, self.loss, self.terms, self.clip, self.scaler)
        return all(value is None for value in training)

    @classmethod
    def checked(
        cls,
        phase: object,
        model: object,
        optimizer: object,
        loss: object,
        terms: object,
        clip: object,
        scaler: object,
        extra: object,
        name: object = "",
    ) -> DiagnosticsCall:
        """Check every argument.

        Raises:
            TypeError: an argument is of the wrong type; the message names it.
            ValueError: an argument has an impossible value; the message names it.
        """
        known = arguments.check_phase(phase)
        call = cls(
            known,
            None if model is None else arguments.check_model(model, known),
            None if optimizer is None else arguments.check_optimizer(optimizer),
            None if loss is None else as_number("loss", loss),
            None if terms is None else arguments.check_terms(terms),
            None if clip is None else arguments.check_clip(clip),
            None if scaler is None else arguments.check_scaler(scaler),
            None if extra is None else arguments.check_extra(extra),
            arguments.check_name(name, model),
            terms if isinstance(terms, Mapping) else None,
        )
        if all(value is None for value in (model, optimizer, loss, terms, clip, scaler, extra)):
            raise ValueError("add_diagnostics: nothing to record; pass model=, loss= or others")
        return call

    def put_losses(
        self, waiting: Queue, watches: Sequence[Watch], step: int, walltime: float
    ) -> None:
        """Hand on the loss and its terms; what one of several watched models is given without terms is its own as well."""
        if self.loss is not None:
            waiting.put_loss(self.phase, step, walltime, self.loss)
        if self.terms:
            waiting.put_terms(self.phase, step, walltime, self.terms)
        elif self.loss is not None and self.model is not None and len(watches) > 1:
            for watch in watches:
                if watch.rows.name and watch.holds(self.model):
                    waiting.put_own(step, walltime, watch.rows.name, self.loss)


class Given:
    """Turns what calls give besides losses into samples.

    Args:
        guarded: switches failing collectors off.
        clips: clips that were seen.
        optimizers: optimizers that were given.
        clipper: must know the GradScaler that is given.
    """

    def __init__(
        self, guarded: Guard, clips: ClipLedger, optimizers: Optimizers, clipper: Clipper
    ) -> None:
        self._guarded, self._clips, self._optimizers = guarded, clips, optimizers
        self._clipper = clipper
        self._models = GivenModels()
        self._zeros: dict[str, Zeros] = {}

    def samples(self, call: DiagnosticsCall, watches: Sequence[Watch]) -> Named:
        """Samples with the names of their collectors."""
        door = self._guarded.door
        door("optimizer", self._remember, call)
        made: Named = []
        if call.model is not None and not any(w.holds(call.model) for w in watches):
            self._add(made, "gradient", lambda: self._gradients(call, waits=bool(watches)))
        if call.phase == "train":
            door("clipping", self._add_training, made, call, watches)
        if call.scaler is not None and not watches:
            self._add(made, "scaler", lambda: scaler.scale(call.scaler))
        if call.extra:
            self._add(made, "extra", lambda: loss_buffer.own(call.extra or {}))
        return made

    def refused(
        self, call: DiagnosticsCall, step: int | None, watches: Sequence[Watch]
    ) -> ValueError | None:
        """Why a model cannot be measured: it has no parameters or no gradients, or another one has its names."""
        if call.model is None:
            return None
        for watch in watches:
            if watch.holds(call.model):
                own = watch.rows.name
                alike = call.name in {"", own}
                return None if alike else ValueError(f'name: the model is watched as "{own}"')
        try:
            found = parameters(call.model, call.name)
            gradient_norms.require(found)
        except ValueError as error:
            return error
        beside = [w.parameters for w in watches if w.rows.name == call.name]
        taken = next((name for other in beside if (name := shared(other, found))), None)
        taken = taken or self._models.give(call.model, call.name, step)
        return None if taken is None else _names_taken(taken)

    def _remember(self, call: DiagnosticsCall) -> None:
        if call.optimizer is not None:
            self._guarded("optimizer", lambda: self._optimizers.watch(call.optimizer, call.name))
        if call.scaler is not None:
            self._clipper.scaler = call.scaler

    def _add_training(self, made: Named, call: DiagnosticsCall, watches: Sequence[Watch]) -> None:
        if call.clip is not None:
            for watch in watches:
                if not self._guarded.went("clipping", watch.reported_clip, *call.clip):
                    self._clips.miss(watch.parameters.tensors)
        distant = any(watch.distant for watch in watches)
        if call.clip is not None or not (self._clips.empty or distant):
            self._add(made, "clipping", lambda: self._clipping(call))
        if not watches and self._optimizers.alive():
            self._add(made, "optimizer", self._rates)

    def _add(self, made: Named, name: str, make: Callable[[], Measurement | None]) -> None:
        sample = self._guarded(name, make)
        if sample is not None:
            made.append((name, sample))

    def _gradients(self, call: DiagnosticsCall, *, waits: bool) -> Measurement | None:
        model = parameters(call.model, call.name)  # type: ignore[arg-type]
        if any(map(is_distributed, model.tensors)):
            raise NotImplementedError("the model is sharded: call writer.watch on every rank")
        held = [p for p in model.tensors if p.requires_grad and p.grad is not None]
        if self._clips.spoiled(held):
            self._clips.used(held)
            return None
        clip = None if call.clip is None else unclipped(*call.clip)
        scale = self._scale(call)
        each = gradient_norms.norms_before_clip(held, self._clips, scale, clip)

        def again(places: list[int]) -> Tensor:
            return gradient_norms.scaled_before_clip(held, places, self._clips, scale, clip)

        if each.is_cpu:
            self._zeros.setdefault(call.name, Zeros()).put_right(each.numpy(), held, again)
        later = None if each.is_cpu or waits else again
        return gradient_norms.gradients(model, held, each, later)

    def _rates(self) -> Measurement:
        records = self._optimizers.rates()
        return Measurement([], lambda _: records)

    def _clipping(self, call: DiagnosticsCall) -> Measurement | None:
        seen = self._clips.take()
        if call.clip is None:
            return None if seen is None else seen.sample()
        return reported(*call.clip)

    def _scale(self, call: DiagnosticsCall) -> float | None:
        """The loss scale that the gradients carry now, None for 1."""
        if call.scaler is None:
            return None
        scale = scaler.loss_scale(call.scaler, self._optimizers.alive())
        return None if scale == 1.0 else scale


def _names_taken(name: str) -> ValueError:
    return ValueError(
        f'model: another model\'s parameters are called the same ("{name}"); '
        'give each of them a name of its own, as in add_diagnostics(model, name="critic")'
    )
