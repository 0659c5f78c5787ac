"""What adapters are multiplied by, as a check-up sees it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from helpers.check_up_driver import Watched
from tb_lossdiag.collect.check_up.model.adapters import adapter_scales


class Adapted(nn.Module):
    """A layer and adapters, as PEFT keeps them."""

    def __init__(self, **scales: float) -> None:
        super().__init__()
        self.base_layer = nn.Linear(6, 4)
        self.lora_A = nn.ModuleDict({name: nn.Linear(6, 2, bias=False) for name in scales})
        self.lora_B = nn.ModuleDict({name: nn.Linear(2, 4, bias=False) for name in scales})
        self.scaling = dict(scales)

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.base_layer(x)
        for name, scale in self.scaling.items():
            said = said + scale * self.lora_B[name](self.lora_A[name](x))
        return said


class Other(nn.Module):
    """A number of this name and no adapters, or adapters and something else of this name."""

    def __init__(self, scaling: object, *, adapters: bool) -> None:
        super().__init__()
        self.scaling = scaling
        if adapters:
            self.lora_B = nn.ModuleDict()


def test_scales_by_the_name_of_the_last_layer() -> None:
    model = nn.Sequential(Adapted(default=128.0, other=0.5), nn.Linear(4, 1))
    assert adapter_scales(model) == {"0.lora_B.default": 128.0, "0.lora_B.other": 0.5}
    assert adapter_scales(Adapted(default=2)) == {"lora_B.default": 2.0}


def test_other_things_of_that_name_are_none() -> None:
    others = nn.ModuleList(
        [
            Other(3.0, adapters=True),
            Other({"default": 3.0}, adapters=False),
            Other({"default": torch.ones(2)}, adapters=True),
        ]
    )
    assert adapter_scales(others) == {}


def test_recorded_once_and_when_they_change() -> None:
    model = Adapted(default=4.0)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watched = Watched(model, optimizer, activations=True)
    for scale in (4.0, 4.0, 8.0):
        model.scaling["default"] = scale
        model(torch.randn(3, 6)).sum().backward()
        optimizer.step()
    watched.end()
    seen = [step.get("adapter_scale") for step in watched.steps]
    assert seen == [{"lora_B.default": 4.0}, None, {"lora_B.default": 8.0}]
