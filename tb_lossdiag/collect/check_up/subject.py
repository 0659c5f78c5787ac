"""What a check-up looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tb_lossdiag.collect.state.asking import parameters_in
from tb_lossdiag.collect.state.frameworks import bare
from tb_lossdiag.collect.state.optimizers import parameters_of

_WHEN = ("pre", "post")
_WRAPPERS = frozenset({"DistributedDataParallel", "DataParallel"})


@dataclass(frozen=True)
class Subject:
    """A model and what trains it.

    Attributes:
        name: prefix of columns, "" for the only one.
        model: the model as the training loop calls it.
        optimizer: anything with `param_groups`.
        scaler: its `GradScaler`, if it has one.
        scheduler: its learning rate scheduler, if it has one.
    """

    name: str
    model: nn.Module
    optimizer: Any
    scaler: Any = None
    scheduler: Any = None

    def held(self) -> list[Tensor]:
        """The optimizer's parameters."""
        return parameters_of(self.optimizer)

    def steps_by_itself(self) -> bool:
        """Whether nothing but torch's own code runs in a step without a closure: none of its functions says anything of the training."""
        optimizer = bare(self.optimizer)
        tables = (getattr(optimizer, f"_optimizer_step_{when}_hooks", {}) for when in _WHEN)
        hooks = [hook for table in tables for hook in table.values()]
        return _within(type(optimizer), "torch.optim.") and all(
            _within(hook, "tb_lossdiag.") for hook in hooks
        )

    def trainable(self) -> list[Tensor]:
        """The model's trainable parameters."""
        return [p for p in parameters_in(self.model) if p.requires_grad]

    def root(self) -> nn.Module:
        """The user's own model, inside DistributedDataParallel and the like."""
        model = self.model
        while type(model).__name__ in _WRAPPERS:
            model = model.get_submodule("module")
        return model

    def column(self, name: str) -> str:
        """A module's column name."""
        return f"{self.name}/{name}" if self.name else name

    def on_processor(self) -> bool:
        """Whether the model computes where the loop itself runs, and not on an accelerator."""
        return all(p.device.type == "cpu" for p in parameters_in(self.model))

    def compiled(self) -> bool:
        """Whether `torch.compile` made any part of it: hooks and modes would break or miss its graphs."""
        return any(
            type(module).__name__ == "OptimizedModule"
            or getattr(module, "_compiled_call_impl", None)
            for module in self.model.modules()
        )

    def sharded(self) -> bool:
        """Whether parameters are spread over ranks (DTensor, FSDP, ZeRO): a norm would need all ranks to take part."""
        flat = any(type(m).__name__ == "FullyShardedDataParallel" for m in self.model.modules())
        marks = ("to_local", "ds_id")
        return flat or any(hasattr(p, mark) for p in parameters_in(self.model) for mark in marks)


def _within(made: Any, package: str) -> bool:
    """Whether it was written there."""
    return str(getattr(made, "__module__", "")).startswith(package)
