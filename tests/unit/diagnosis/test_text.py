from __future__ import annotations

import pytest

from tb_lossdiag.diagnosis.text import Text


def test_a_second_text_is_no_translation() -> None:
    with pytest.raises(TypeError, match="one template, in English"):
        Text("healthy", "健康")  # type: ignore[arg-type]  # as it was once done


def test_a_language_without_a_catalogue_reads_english() -> None:
    assert Text("healthy").in_language("fr-CA") == "healthy"
    assert Text("no rule of that name").in_language("zh") == "no rule of that name"
    assert Text("").in_language("zh") == ""
