"""Numbers that a model is given behind indices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tb_lossdiag.collect.check_up.model.inputs import input_facts
from tb_lossdiag.quantities import BESIDE_MEAN, BESIDE_STD, INPUT_STD

IDS = torch.arange(4)
NUMBERS = torch.tensor([[0.0, 200.0], [0.0, 200.0]])


@pytest.mark.parametrize(
    "given",
    [
        (IDS, NUMBERS),
        (IDS, torch.ones(4), IDS, [NUMBERS]),
        (IDS, torch.zeros(0, 2), NUMBERS, torch.ones(2, 2)),
    ],
)
def test_numbers_behind_indices(given: tuple[object, ...]) -> None:
    facts = input_facts(given)
    assert float(facts[BESIDE_MEAN]) == pytest.approx(100)
    assert float(facts[BESIDE_STD]) == pytest.approx(100)
    assert INPUT_STD not in facts


@pytest.mark.parametrize("given", [(IDS,), (IDS, torch.ones(4)), (NUMBERS, NUMBERS), ()])
def test_there_are_none(given: tuple[Tensor, ...]) -> None:
    assert BESIDE_STD not in input_facts(given)
