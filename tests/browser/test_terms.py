"""The views of loss terms and of clipping, by what is read or seen there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Frame, expect

from helpers.edge_runs import TERMS


def is_above(frame: Frame, first: str, second: str) -> bool:
    """Whether one element begins higher on the page than the other."""
    script = "([a, b]) => document.querySelector(a).getBoundingClientRect().top < document.querySelector(b).getBoundingClientRect().top"
    return bool(frame.evaluate(script, [first, second]))


@pytest.mark.parametrize(
    ("run", "code", "mode"),
    [("kl_collapse", "LD402", "Lines"), ("dominating_term", "LD401", "Share")],
)
def test_terms_begin_with_the_verdict_and_the_picture_that_shows_it(
    tab: Any, run: str, code: str, mode: str
) -> None:
    """U27, U12."""
    frame = tab.open(run=run, view="terms")
    expect(frame.locator(".verdict").first).to_contain_text(code)
    expect(frame.get_by_role("button", name=mode, exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(frame.locator("main canvas").first).to_be_visible()
    assert is_above(frame, ".verdict", "main canvas")
    # How gradients of each term are had is said once, with the code for it.
    expect(frame.get_by_text("writer.decompose(terms")).to_have_count(1)
    expect(frame.get_by_text("Gradients per term were not recorded")).to_have_count(1)


def test_sixty_terms_are_the_largest_and_the_rest(edges: Any) -> None:
    """U27: order by size, colours in the list, the rest as one, the sum against the loss."""
    frame = edges.open(run="many_terms", view="terms")
    shown = frame.get_by_role("group", name="Terms shown")
    expect(shown.locator("> label")).to_have_count(8)
    expect(shown.locator("> label").first).to_contain_text("term_59")
    expect(shown.get_by_text("53 others together")).to_be_visible()
    expect(shown.get_by_text("53 smaller terms, together")).to_be_visible()
    colours = shown.locator("> label .term-swatch").evaluate_all(
        "all => new Set(all.map(each => getComputedStyle(each).backgroundColor)).size"
    )
    assert colours == 8
    expect(frame.get_by_text("adds up to the recorded loss (100 %")).to_be_visible()


def test_the_fix_for_sixty_terms_is_folded_and_copied_whole(edges: Any) -> None:
    edges.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    frame = edges.open(run="unsummed")
    leading = frame.locator(".leading")
    expect(leading).to_contain_text("LD403")
    code = leading.locator("pre")
    expect(code).to_contain_text(re.compile(r'"term_00".* … .*term_59, 1\)\)\]\)'))
    expect(code).not_to_contain_text("term_30")
    expect(code).to_contain_text("loss.backward()")
    leading.get_by_role("button", name="Copy").click()
    expect(leading.get_by_text("Copied")).to_be_visible()
    copied = edges.page.evaluate("navigator.clipboard.readText()")
    assert all(term in copied for term in TERMS)
    leading.get_by_role("button", name="Show all of it").click()
    expect(code).to_contain_text("term_30")


def test_a_name_with_marks_in_it_leaves_the_sentence_whole(edges: Any) -> None:
    """U38."""
    frame = edges.open(run="collapsing", view="findings")
    message = frame.locator(".detail section").first
    expect(message.locator("code").first).to_have_text("'code' **md**")


def test_terms_that_agree_do_not_look_like_a_warning(made: Any) -> None:
    """U28: warm is against, cold is along, and the scale says so."""
    frame = made.open(run="sick", view="terms")
    expect(frame.locator(".cosine-scale")).to_contain_text("against each other")
    quarrel = frame.locator("td", has_text="opposes").first
    red, _, blue = _channels(quarrel)
    assert red > blue
    along = frame.locator(".cosine-scale span").last
    red, _, blue = _channels(along)
    assert blue > red


def _channels(place: Any) -> list[float]:
    """Red, green and blue of what lies behind it, as they are painted."""
    script = """place => {
      const canvas = document.createElement("canvas");
      const pen = canvas.getContext("2d");
      pen.fillStyle = getComputedStyle(place).backgroundColor;
      pen.fillRect(0, 0, 1, 1);
      return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }"""
    found: list[float] = place.evaluate(script)
    return found


def test_clips_are_counted_and_judged_before_their_curves(made: Any) -> None:
    """U12."""
    frame = made.open(run="healthy", view="clipping")
    expect(frame.locator(".verdict").first).to_contain_text("No finding here")
    expect(frame.locator(".reading")).to_contain_text(re.compile(r"\d+ of 400 clips"))
    frame = made.open(run="sick", view="clipping")
    expect(frame.locator(".verdict").first).to_contain_text("LD302")
    assert "changed the gradient" not in frame.locator("main").inner_text()
