"""A threshold on the command line is read, or the message says how to write it."""

from __future__ import annotations

import pytest

from tb_lossdiag.config.threshold import Threshold


def test_an_option_is_a_rule_a_name_and_a_number() -> None:
    found = Threshold.option("LD601.max_ratio=0.2")
    assert (found.rule, found.name, found.value) == ("LD601", "max_ratio", 0.2)
    assert "LD601.max_ratio=0.2" in found.origin


@pytest.mark.parametrize("text", ["LD601.max_ratio", "max_ratio=0.2", ""])
def test_what_is_written_otherwise_says_how_to(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as LD601\.max_ratio=0\.2"):
        Threshold.option(text)


def test_a_word_is_no_number_and_the_message_names_the_option() -> None:
    with pytest.raises(ValueError, match=r"--set 'LD601\.max_ratio=big': 'big' is not a number"):
        Threshold.option("LD601.max_ratio=big")
