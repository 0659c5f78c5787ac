"""How quantities get recorded is said in the reader's language, every way of it."""

from __future__ import annotations

from tb_lossdiag.analysis.columns import not_recorded
from tb_lossdiag.diagnosis.text import Text
from tb_lossdiag.diagnosis.ways import KNOWN, said
from tb_lossdiag.quantities import ACTIVATION_MEAN, BY_NAME, CLIP_CALLS, LOSS


def test_every_quantitys_way_can_be_said() -> None:
    assert {quantity.how for quantity in BY_NAME.values()} <= KNOWN


def test_several_ways_are_said_each() -> None:
    both = f"{LOSS.how}; {CLIP_CALLS.how}"
    assert said(both).en == both
    assert (
        said(both).in_language("zh")
        == f"{said(LOSS.how).in_language('zh')}；{said(CLIP_CALLS.how).in_language('zh')}"
    )


def test_one_of_several_ways() -> None:
    needs = not_recorded(LOSS, ACTIVATION_MEAN).needs
    assert needs.en.endswith(f"{LOSS.how}; or {ACTIVATION_MEAN.how}")
    assert "；或 " in needs.in_language("zh")


def test_a_name_with_backticks_does_not_end_the_code_it_is_shown_as() -> None:
    text = Text("`{term}` fell, {rest}").format(term="`code` **md**", rest="`kept`")
    assert text.en == "`'code' **md**` fell, `kept`"
