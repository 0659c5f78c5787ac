"""What the answers of low-rank adapters are multiplied by."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn


def adapter_scales(root: nn.Module) -> dict[str, float]:
    """The factor of each adapter by the name of its last layer, as PEFT keeps them: `scaling` beside `lora_B`, by the adapter's name."""
    found: dict[str, float] = {}
    for name, module in root.named_modules():
        scales = getattr(module, "scaling", None)
        if isinstance(scales, Mapping) and isinstance(getattr(module, "lora_B", None), nn.Module):
            path = f"{name}.lora_B" if name else "lora_B"
            numbers = {a: s for a, s in scales.items() if isinstance(s, (int, float))}
            found |= {f"{path}.{adapter}": float(scale) for adapter, scale in numbers.items()}
    return found
