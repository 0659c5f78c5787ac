"""`SummaryWriter`: torch's, which also records what the Loss Doctor needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

try:
    import torch  # noqa: F401  (a message of our own, before anything else asks for it)
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "Recording needs PyTorch: pip install 'tb-lossdiag[torch]' (looking at runs does not).",
        name="torch",
    ) from error
from torch import Tensor, nn

from tb_lossdiag.collect.call.arguments import (
    check_model,
    check_optimizer,
    check_scaler,
    check_step,
    check_walltime,
    check_watch,
)
from tb_lossdiag.collect.call.call import DiagnosticsCall
from tb_lossdiag.collect.call.manual import CheckUpBlock
from tb_lossdiag.collect.state.frameworks import bare_scheduler, check_hooks, scaler_of
from tb_lossdiag.collect.unseen import real, unseen
from tb_lossdiag.collect.watch.host import Options
from tb_lossdiag.collect.watch.watch import Watch
from tb_lossdiag.lifecycle import OpenWriter

if TYPE_CHECKING:
    from tb_lossdiag.live import Live, LiveFinding
    from tb_lossdiag.preflight import Preflight


class SummaryWriter(OpenWriter):
    """`torch.utils.tensorboard.SummaryWriter` with `add_diagnostics` and `clip_grad_norm_`.

    Args:
        log_dir: as torch's.
        comment: as torch's.
        purge_step: as torch's.
        max_queue: as torch's.
        flush_secs: as torch's.
        filename_suffix: as torch's.
        scalars: also write loss, terms, global gradient norm and clip coefficient as ordinary scalars.
        origin: note the command line, without what looks like a password, key or token, and the commit of the script's repository. The
            environment variable `TB_LOSSDIAG_ORIGIN=off` says no for every writer.

    Example:
        >>> import tempfile, tb_lossdiag
        >>> with tb_lossdiag.SummaryWriter(tempfile.mkdtemp()) as writer:
        ...     writer.add_scalar("ordinary", 1.0, global_step=0)
        ...     writer.add_diagnostics(loss=0.5, global_step=0)
    """

    def add_diagnostics(
        self,
        model: nn.Module | None = None,
        *,
        optimizer: Any = None,
        loss: Tensor | float | None = None,
        loss_terms: Mapping[str, Any] | None = None,
        clip: tuple[Any, Any] | None = None,
        scaler: Any = None,
        phase: str = "train",
        extra: Mapping[str, Any] | None = None,
        global_step: Any = None,
        walltime: float | None = None,
        name: str = "",
    ) -> None:
        """Record a step. Call it after `backward()` and before `zero_grad()`; it changes nothing of the training.

        Args:
            model: its gradients and parameters are measured: L2 norm per parameter, before clipping.
            optimizer: learning rates, which parameters it holds, and when it steps (give it from the first call on).
            loss: total loss; a tensor of several elements counts with its mean. NaN and Inf are data, not errors.
            loss_terms: {name: value} already weighted, or {name: (value, weight)} before weighting.
            clip: (total_norm, max_norm) of a clip done without `clip_grad_norm_` of this writer, before this call;
                gradient norms are then given back as they were before it.
            scaler: a `torch.amp.GradScaler`; norms are recorded unscaled.
            phase: "train" or "validation" (loss and terms only).
            extra: {name: number} of your own; those under names that agents' logs use (reward, episode_return) are judged as such.
            global_step: optimizer step, at least 0; without it optimizer steps are counted (calls, without an optimizer), on from
                the newest one that the folder holds. A number that falls takes the run back if a checkpoint was loaded; if none was,
                or it falls to where the numbers began (a count per epoch), they only begin again, and records go on in one count.
            walltime: seconds since the epoch, instead of now.
            name: tells several models apart, as that of `watch`; parameters are recorded as "name/parameter".

        Raises:
            TypeError: an argument has the wrong type; the message names it.
            ValueError: an argument has an impossible value, the model has no gradient, or another one's parameters are called
                the same; the message names it.

        Example:
            >>> import tempfile, torch, tb_lossdiag
            >>> model = torch.nn.Linear(2, 1)
            >>> with tb_lossdiag.SummaryWriter(tempfile.mkdtemp()) as writer:
            ...     loss = model(torch.ones(4, 2)).square().mean()
            ...     loss.backward()
            ...     writer.add_diagnostics(model, loss=loss, global_step=0)
        """
        ours = self._diagnostics
        more = model is not None or optimizer is not None or clip is not None or scaler is not None
        more = more or loss is None or phase != "train"
        more = more or extra is not None or walltime is not None or name != ""
        if not more and ours.plain.take(loss, loss_terms, global_step):
            self._calls += 1
            return
        guarded = ours.guarded
        if guarded.seen("recording", real) is False:  # losses without values
            return
        with unseen():
            call = DiagnosticsCall.checked(
                phase, model, optimizer, loss, loss_terms, clip, scaler, extra, name
            )
        when = check_walltime(walltime)
        step = None if global_step is None else check_step(global_step)
        ours.require(call, step)
        if loss_terms and call.phase == "train":
            terms = ours.by_hand.decompose_terms
            guarded.door("decomposition", lambda: terms(ours.watches.alive(), loss_terms))
        guarded.door("writing", self._reopen)
        stop = guarded.seen("recording", ours.add, call, step, when, self._calls)
        self._calls += call.phase == "train"
        if stop is not None:
            raise stop

    def watch(
        self,
        model: nn.Module,
        optimizer: Any,
        *,
        scaler: Any = None,
        scheduler: Any = None,
        name: str = "",
        every: int | str = "auto",
        activations: bool = True,
        check_up: bool = True,
        probes: bool = True,
        decompose: int = 0,
        budget_mb: float = 32,
        on_finding: Callable[[LiveFinding], object] | str | Any = None,
        stop_on: str | None = None,
    ) -> Watch:
        """Record every step of an optimizer from now on, through its public hooks; the training stays the same, bit for bit.

        Args:
            model: what is trained. Nothing is stored on it.
            optimizer: a `torch.optim.Optimizer`, or what Accelerate or Lightning made of it.
            scaler: the `torch.amp.GradScaler` that calls it, if there is one.
            scheduler: a learning-rate scheduler, for the order of its calls.
            name: tells several watched models apart; their parameters are recorded as "name/parameter".
            every: "auto": every step is observed, and a record covers more and more of them as the run grows, keeping extremes and
                events with their exact step. A number: only every so many steps are looked at.
            activations: look at the modules' outputs in check-ups.
            check_up: look now and then at one whole step: how the loss is called, the order of events, modes.
            probes: once or twice a run, ask a copy of the model, in eval(), whether one sample's output depends on other samples,
                the past on the future, or on chance. The training notices nothing: weights, buffers and random states stay bit for
                bit as they are. Passes take at most 0.5 % of the time, the copy 5 % of the free memory; left out where it cannot be
                copied.
            decompose: steps between two decompositions of the loss by `decompose`, 0 for each call.
            budget_mb: megabytes that the records of this run may take, about; 1 or more.
            on_finding: judge the run while it is recorded, and call this with a `LiveFinding` once when a finding appears and once
                when it clears. Instead of a function: "print" for one line each on standard error; "wandb", "mlflow", "trackio" or a run
                of theirs; the address of a webhook (Slack, Discord) or a `Webhook`; or a list of these. Judging takes about 1% of the time; what is not
                finite is judged at once. One per writer: the last one given counts.
            stop_on: "error" or "warning": raise `TrainingStopped` in the training loop when a finding as severe as that appears.

        Returns:
            A handle with `remove()`, which is also a context manager.

        Raises:
            TypeError: an argument has the wrong type; the message names it.
            ValueError: an argument has an impossible value, or the name is taken; the message names it.

        Example:
            >>> import tempfile, torch, tb_lossdiag
            >>> model = torch.nn.Linear(2, 1)
            >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            >>> writer = tb_lossdiag.SummaryWriter(tempfile.mkdtemp())
            >>> with writer, writer.watch(model, optimizer):
            ...     for _ in range(3):
            ...         optimizer.zero_grad()
            ...         loss = model(torch.ones(4, 2)).square().mean()
            ...         loss.backward()
            ...         _ = optimizer.step()
            ...         writer.add_diagnostics(loss=loss)
        """
        interval = check_watch(every, decompose, budget_mb)
        self._reopen()
        live = None
        if on_finding is not None or stop_on is not None:
            live = self._judge_live(on_finding, stop_on)
        self._recorder.cadence.watch(int(budget_mb * 2**20), interval)
        options = Options(interval or 1, activations, check_up, decompose, probes)
        watch = self._diagnostics.watch(
            check_model(model, "train"),
            check_hooks(check_optimizer(optimizer)),
            scaler_of(optimizer) if scaler is None else check_scaler(scaler),
            bare_scheduler(scheduler),
            name,
            options,
        )
        if live is not None:
            self._event_file.listener = self._diagnostics.host.outlet.live = live
        return watch

    def _judge_live(self, on_finding: Any, stop_on: str | None) -> Live:
        """What judges this run while it is recorded; only who asks for it pays for importing the rules."""
        from tb_lossdiag.live import Live  # noqa: PLC0415

        return Live.asked(
            (on_finding, stop_on), self.log_dir, self._diagnostics.guarded.openly, self._recorder
        )

    def preflight(
        self,
        model: nn.Module,
        batch: Any,
        loss_fn: Callable[..., Any] | None = None,
        optimizer: Any = None,
        *,
        seconds: float = 60.0,
        show: bool = True,
    ) -> Preflight:
        """Try one batch before a long training: what is wrong from the first step on shows within a minute.

        Copies of model and optimizer are trained on the batch alone, with the optimizer's own rate, a tenth of it and ten times as much;
        what check-ups and probes see of that is judged by the usual rules. Nothing of yours is changed: weights, buffers, gradients,
        optimizer state, random states and modes stay as they are.

        Args:
            model: what is to be trained.
            batch: `(inputs, target)`; or a mapping of keyword arguments, for a model that returns its loss.
            loss_fn: called with the model's output and the target; with the output alone where there is no target; None where the
                model returns its loss.
            optimizer: as the training will use it; without one, Adam is tried.
            seconds: that it may take, about.
            show: print the table.

        Returns:
            The table's rows, the findings, and `ok`.

        Raises:
            ValueError: there can be no copies; the message says why.
        """
        from tb_lossdiag.preflight import preflight  # noqa: PLC0415  (only who asks for it pays for the rules)

        found = preflight(
            check_model(model, "train"),
            batch,
            loss_fn,
            optimizer,
            seconds,
            lambda folder: SummaryWriter(folder, scalars=False, origin=False),
        )
        ours = self._diagnostics
        ours.guarded.door("writing", self._reopen)
        ours.guarded.door("writing", ours.take, found.records())
        if show:
            print(found.text())  # noqa: T201
        return found

    def clip_grad_norm_(
        self,
        parameters: Iterable[Tensor] | Tensor,
        max_norm: float,
        norm_type: float = 2.0,
        error_if_nonfinite: bool = False,
        foreach: bool | None = None,
    ) -> Tensor:
        """`torch.nn.utils.clip_grad_norm_`, bit for bit, whose norms the next `add_diagnostics` records.

        Args:
            parameters: as torch's.
            max_norm: as torch's.
            norm_type: as torch's; only 2 is recorded.
            error_if_nonfinite: as torch's.
            foreach: as torch's.

        Returns:
            The total norm before clipping.

        Example:
            >>> import tempfile, torch, tb_lossdiag
            >>> model = torch.nn.Linear(2, 1)
            >>> model(torch.ones(4, 2)).sum().backward()
            >>> with tb_lossdiag.SummaryWriter(tempfile.mkdtemp()) as writer:
            ...     norm = writer.clip_grad_norm_(model.parameters(), max_norm=1.0)
            ...     writer.add_diagnostics(model)
            >>> round(float(norm), 3)
            6.928
        """
        return self._diagnostics.clipper.norm(
            parameters, max_norm, norm_type, error_if_nonfinite, foreach
        )

    def clip_grad_value_(
        self,
        parameters: Iterable[Tensor] | Tensor,
        clip_value: float,
        foreach: bool | None = None,
    ) -> None:
        """`torch.nn.utils.clip_grad_value_`, recorded: norms before and after.

        Args:
            parameters: as torch's.
            clip_value: as torch's.
            foreach: as torch's.

        Example:
            >>> import tempfile, torch, tb_lossdiag
            >>> model = torch.nn.Linear(2, 1)
            >>> model(torch.ones(4, 2)).sum().backward()
            >>> with tb_lossdiag.SummaryWriter(tempfile.mkdtemp()) as writer:
            ...     writer.clip_grad_value_(model.parameters(), clip_value=0.5)
            ...     writer.add_diagnostics(model)
            >>> model.weight.grad.tolist()
            [[0.5, 0.5]]
        """
        self._diagnostics.clipper.value(parameters, clip_value, foreach)

    def data(self, ids: Any) -> None:
        """Say which rows of the data the coming step is taken with, so that a finding can name them.

        Those of the last 512 steps are remembered, by reference; they are looked at and written only where a loss or gradient stops being
        finite, the loss leaps, or a finding appears while the training runs. Call it where the batch is used: once for each step, or
        for each of its parts. On several ranks those of the first are named.

        Args:
            ids: numbers or names of the rows: a list, an array, a tensor, or one of them alone.

        Example:
            >>> import tempfile, torch, tb_lossdiag
            >>> model = torch.nn.Linear(2, 1)
            >>> x, rows = torch.ones(100, 2), torch.randperm(100)
            >>> with tb_lossdiag.SummaryWriter(tempfile.mkdtemp()) as writer:
            ...     for step, ids in enumerate(rows.split(20)):
            ...         writer.data(ids)
            ...         loss = model(x[ids]).square().mean()
            ...         writer.add_diagnostics(loss=loss, global_step=step)
        """
        ours = self._diagnostics
        ours.guarded.door("data", ours.data, ids)

    def check_up(self) -> CheckUpBlock:
        """Observe the loss calls inside a `with` block, where no `torch.optim` optimizer can be watched.

        The next `add_diagnostics` of the training names their step. Put it around forward and backward pass.

        Example:
            >>> import tempfile, torch, tb_lossdiag
            >>> model = torch.nn.Linear(2, 1)
            >>> x, y = torch.ones(4, 2), torch.zeros(4, 1)
            >>> with tb_lossdiag.SummaryWriter(tempfile.mkdtemp()) as writer:
            ...     with writer.check_up():
            ...         torch.nn.functional.mse_loss(model(x), y).backward()
            ...     writer.add_diagnostics(model, global_step=0)
        """
        return self._diagnostics.by_hand.check_up()

    def record_loss_inputs(
        self,
        input: Tensor,  # noqa: A002  (torch's own name for it)
        target: Tensor | None,
        value: Tensor | None = None,
        kind: str = "custom",
    ) -> None:
        """Say what a loss of your own was given; looked at in check-ups, like torch's own losses.

        Args:
            input: what was predicted.
            target: what it is compared with.
            value: the loss.
            kind: the function of `torch.nn.functional` it is like, such as "mse_loss".

        Example:
            >>> import tempfile, torch, tb_lossdiag
            >>> model = torch.nn.Linear(2, 1)
            >>> x, y = torch.ones(4, 2), torch.zeros(4, 1)
            >>> with tb_lossdiag.SummaryWriter(tempfile.mkdtemp()) as writer:
            ...     with writer.check_up():
            ...         loss = (model(x) - y).square().mean()
            ...         writer.record_loss_inputs(model(x), y, loss, kind="mse_loss")
            ...         loss.backward()
            ...     writer.add_diagnostics(model, loss=loss)
        """
        ours = self._diagnostics
        look = ours.by_hand.loss_inputs
        ours.guarded.door(
            "check-up", lambda: look(ours.watches.alive(), input, target, value, kind)
        )

    def record_router(self, layer: str, counts: Any) -> None:
        """Say how many tokens each expert of a mixture got; looked at in check-ups, like routers that choose with `topk`.

        Args:
            layer: name of the router.
            counts: a number for each expert.

        Example:
            >>> import tempfile, torch, tb_lossdiag
            >>> model = torch.nn.Linear(2, 1)
            >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            >>> with tb_lossdiag.SummaryWriter(tempfile.mkdtemp()) as writer:
            ...     _ = writer.watch(model, optimizer)
            ...     model(torch.ones(4, 2)).sum().backward()
            ...     writer.record_router("layers.0", [12, 3, 9, 8])
            ...     _ = optimizer.step()
            ...     writer.add_diagnostics(loss=1.0)
        """
        ours = self._diagnostics
        ours.guarded.door(
            "check-up", lambda: ours.by_hand.router(ours.watches.alive(), str(layer), counts)
        )

    def decompose(self, terms: Mapping[str, Any], *, at: Any = None) -> None:
        """Record the gradient norm of every loss term and the cosines between them; call it before `backward()`.

        The graph and `.grad` stay as they are. At a shared representation it costs about one backward pass of what lies above it,
        over all parameters four to five whole ones. With `watch(..., decompose=N)` only every N-th step does anything.

        Args:
            terms: {name: value} already weighted, or {name: (value, weight)}.
            at: a tensor or tensors that the terms depend on; by default the parameters of the watched model.

        Raises:
            TypeError: an argument has the wrong type; the message names it.
            ValueError: there is nothing to take gradients at.

        Example:
            >>> import tempfile, torch, tb_lossdiag
            >>> model = torch.nn.Linear(2, 1)
            >>> fit, size = model(torch.ones(4, 2)).square().mean(), model.weight.square().sum()
            >>> with tb_lossdiag.SummaryWriter(tempfile.mkdtemp()) as writer:
            ...     writer.decompose({"fit": fit, "size": (size, 0.1)}, at=model.weight)
            ...     (fit + 0.1 * size).backward()
            ...     writer.add_diagnostics(model)
        """
        ours = self._diagnostics
        ours.by_hand.decompose(ours.guarded.door("decomposition", ours.watches.alive), terms, at)
