from __future__ import annotations

import pytest

from tb_lossdiag.diagnosis.quantity_names import quantity_name, quantity_names
from tb_lossdiag.quantities import QUANTITIES
from tb_lossdiag.report.curve_differences import comparable


@pytest.mark.parametrize("name", [q.name for q in QUANTITIES if comparable(q)])
def test_what_runs_are_compared_in_has_a_name_in_words(name: str) -> None:
    assert name in quantity_names("en")


def test_names_tell_quantities_apart() -> None:
    names = list(quantity_names("en").values())
    assert not [
        name for name in names if names.count(name) > 1 and name != "share of the commonest class"
    ]


def test_one_without_a_name_is_called_by_its_own() -> None:
    assert quantity_name("own_quantity", "zh-CN") == "own quantity"
