"""Defects of the second edition's list that are closed, each by what is read or seen on the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Frame, expect

from helpers.axe import faults, settle
from helpers.canvas_pixels import columns_of
from helpers.tensorboard_process import serving
from helpers.written_runs import write_run
from tb_lossdiag import SummaryWriter
from tb_lossdiag.quantities import (
    ACTIVATION_MEAN,
    ACTIVATION_NONFINITE,
    ACTIVATION_VARIATION,
    LOSS,
    LOSS_TERM,
    LOSS_WEIGHT,
    MODULE_KIND,
)
from tb_lossdiag.records import Table, table

Open = Callable[[str], Any]
STEPS = 120
TERMS = [f"term_{place:02d}" for place in range(60)]
INK = (31, 35, 40)
"""The text of charts."""


def _falling() -> Any:
    return 1 + np.exp(-np.arange(STEPS) / 30)


def _terms() -> list[Table]:
    """Sixty terms that add up to the loss."""
    at = np.arange(STEPS)
    values = _falling()[:, None] * np.arange(1, 61)[None, :]
    return [table(LOSS, at, values.sum(axis=1)), table(LOSS_TERM, at, values, TERMS)]


def _collapsing() -> list[Table]:
    """A term that falls to nothing, with marks in its name."""
    at = np.arange(600)
    rng = np.random.default_rng(0)
    kept = (2 + 3 * np.exp(-at / 60)) * rng.lognormal(0, 0.05, len(at))
    gone = 0.5 * np.exp(-at / 40) * rng.lognormal(0, 0.05, len(at))
    values, names = np.stack([kept, gone], axis=1), ["main", "`code` **md**"]
    return [
        table(LOSS, at, values.sum(axis=1)),
        table(LOSS_TERM, at, values, names),
        table(LOSS_WEIGHT, at, np.ones_like(values), names),
    ]


def _jumping() -> list[Table]:
    """A loss that has come down, jumps at step 250 and takes its time to come back."""
    at = np.arange(500)
    rng = np.random.default_rng(1)
    loss = (0.2 + 2 * np.exp(-at / 40)) * rng.lognormal(0, 0.05, len(at))
    loss[250:300] += 5 * np.exp(-np.arange(50) / 20)
    return [table(LOSS, at, loss)]


def _modules() -> list[Table]:
    """Activations of a model without submodules beside one that says the same to everything."""
    at = np.arange(STEPS)
    names = ["", "encoder.blocks.0.mlp.projection"]
    checks = at[::10]
    rows = (len(checks), 2)
    variation = np.full(rows, 0.5)
    variation[:, 1] = 1e-9
    nonfinite = np.zeros(rows)
    return [
        table(LOSS, at, _falling()),
        table(ACTIVATION_MEAN, checks, np.full(rows, 0.25), names),
        table(ACTIVATION_VARIATION, checks, variation, names),
        table(ACTIVATION_NONFINITE, checks, nonfinite, names),
        table(MODULE_KIND, at[:1], np.array([[0.0, 1.0]]), names),
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """TensorBoard on runs at the edges."""
    logdir = tmp_path_factory.mktemp("closed")
    at = np.arange(STEPS)
    write_run(logdir / "many_terms", _terms())
    write_run(logdir / "collapsing", _collapsing())
    write_run(logdir / "jumping", _jumping())
    write_run(logdir / "modules", _modules())
    write_run(logdir / "tiny", [table(LOSS, at, 1e-30 * _falling())])
    with serving(str(logdir), strict=True) as base:
        yield base


@pytest.fixture
def edges(open_tab: Open, written: str) -> Any:
    """A tab of a usual screen's size on them."""
    tab = open_tab(written)
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    return tab


@pytest.fixture
def made(open_tab: Open, everything: str) -> Any:
    """A tab on the runs that have everything."""
    return open_tab(everything)


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


def test_layers_are_marked_by_the_rules_own_thresholds(edges: Any) -> None:
    """U34, U37: the most suspicious first, kinds, codes; a model without a name is no empty button."""
    frame = edges.open(run="modules", view="activations")
    first = frame.locator("table.layers tbody tr").first
    expect(first).to_contain_text("encoder.blocks.0.mlp.projection")
    expect(first).to_contain_text("linear")
    expect(first.locator("td[class*=cell-]")).to_contain_text("LD705")
    expect(frame.get_by_text("(the model itself)")).to_be_visible()
    frame.get_by_label("Order").select_option("model")
    expect(frame.locator("table.layers tbody tr").first).to_contain_text("(the model itself)")
    frame.get_by_label("Filter layers").fill("mlp")
    expect(frame.locator("table.layers tbody tr")).to_have_count(1)
    inner = frame.evaluate(
        "() => [...document.querySelectorAll('main *')].filter(e => e.scrollHeight > e.clientHeight + 2 && getComputedStyle(e).overflowY === 'auto').length"
    )
    assert inner == 0, "it is the page that scrolls"


def test_names_of_layers_are_not_broken_into_letters(edges: Any) -> None:
    """U14."""
    edges.page.set_viewport_size({"width": 1024, "height": 768})
    frame = edges.open(run="modules", view="activations")
    row = frame.locator("table.layers tbody tr").first
    expect(row).to_be_visible()
    assert row.bounding_box()["height"] < 80


def test_checks_are_told_by_title_and_by_what_they_lack(made: Any) -> None:
    """U33: no slugs, no internal names, no English in Chinese."""
    frame = made.open(run="sick", view="overview")
    frame.get_by_text(re.compile(r"Checks passed \(\d+\)")).click()
    passed = frame.locator("details.outcomes[open]")
    expect(passed.get_by_role("heading", name="Loss curve")).to_be_visible()
    expect(passed).to_contain_text("The loss diverges")
    assert "loss-divergence" not in passed.inner_text()
    expect(passed.get_by_role("link", name="LD102")).to_have_attribute("href", re.compile("LD102"))
    frame = made.open(run="sick", view="overview", lang="zh-CN")
    frame.get_by_text(re.compile("未评估的规则检查")).click()
    skipped = frame.locator("details.outcomes[open]")
    words = skipped.inner_text()
    assert "call_value" not in words
    assert "with check_up=True" not in words
    assert "，并设 check_up=True" in words


def test_the_steps_that_are_named_are_those_at_which_the_curve_jumps(edges: Any) -> None:
    """U16, R2: 50 bad batches from step 250 on."""
    frame = edges.open(run="jumping")
    leading = frame.locator(".leading")
    expect(leading).to_contain_text("The loss spikes")
    expect(leading).to_contain_text(re.compile(r"Steps? 250"))
    expect(leading).to_contain_text("out of its noise once")


def test_very_small_values_have_an_axis(edges: Any) -> None:
    """U36: something is written left of the curve."""
    frame = edges.open(run="tiny")
    expect(frame.locator("main canvas").first).to_be_visible()
    frame.wait_for_timeout(500)
    written = [column for column in columns_of(frame, "main canvas", INK) if column < 60]
    assert len(written) > 15


@pytest.mark.parametrize(("width", "most"), [(1440, 100), (1024, 100), (420, 90), (320, 90)])
def test_the_bar_leaves_the_page_its_room(made: Any, width: int, most: int) -> None:
    """U18, U46."""
    made.page.set_viewport_size({"width": width, "height": 800})
    frame = made.open(run="sick", view="gradients")
    bar = frame.locator("header.bar")
    expect(bar.get_by_role("link", name="Gradients")).to_be_in_viewport()
    assert bar.bounding_box()["height"] <= most
    if width < 1280:
        bar.locator(".bar-menu > summary").click()
    expect(bar.get_by_role("button", name="Copy link")).to_be_visible()


def test_the_maps_choices_stand_in_one_line(made: Any) -> None:
    made.page.set_viewport_size({"width": 1440, "height": 900})
    frame = made.open(run="sick", view="gradients")
    controls = frame.locator(".heat-controls")
    expect(controls).to_be_visible()
    assert controls.bounding_box()["height"] < 50


def test_what_is_muted_counts_nowhere(tab: Any) -> None:
    """U23: the tab's count, the state, the overview and the list of runs follow."""
    frame = tab.open(run="clip_after_step", view="findings")
    expect(frame.get_by_role("link", name="Findings (1)")).to_be_visible()
    frame.get_by_text("Mute", exact=True).click()
    frame.get_by_label("Reason").fill("a test")
    frame.get_by_role("button", name="Mute in this browser").click()
    expect(frame.get_by_role("link", name="Findings", exact=True)).to_be_visible()
    expect(frame.locator("header .chip")).not_to_contain_text("Broken")
    frame.get_by_role("link", name="Overview").click()
    expect(frame.locator(".one-run > h2")).not_to_contain_text("Broken")
    expect(frame.locator(".leading")).to_have_count(0)
    row = frame.locator("tr.run-row", has_text="clip_after_step")
    expect(row.locator(".chip")).not_to_contain_text("Broken")
    frame.get_by_role("link", name="Muted in this browser (1)").click()
    expect(frame.get_by_text("Reason: a test")).to_be_visible()
    frame.get_by_role("button", name="Unmute").first.click()
    expect(frame.get_by_role("link", name="Findings (1)")).to_be_visible()


def test_a_server_that_is_gone_is_told_in_our_words(made: Any) -> None:
    """U44."""
    frame = made.open(run="sick")
    expect(frame.locator(".one-run > h2")).to_be_visible()
    made.page.route("**/lossdiag/runs*", lambda route: route.abort())
    banner = frame.get_by_role("alert")
    expect(banner).to_contain_text("Could not load: Runs. TensorBoard does not answer. The last")
    expect(frame.locator(".one-run > h2")).not_to_contain_text("growing")
    made.complaints.clear()


def test_an_empty_folder_offers_a_demo_and_plain_scalars(
    open_tab: Open, serve: Callable[..., str], tmp_path: Path
) -> None:
    """U51."""
    frame = open_tab(serve(tmp_path)).open()
    expect(frame.get_by_text("tb-lossdiag demo --logdir")).to_contain_text(tmp_path.name)
    expect(frame.get_by_text("plain scalars are judged, too")).to_be_visible()


def test_where_says_each_name_once_and_offers_only_what_does_something(tab: Any, made: Any) -> None:
    """U43."""
    frame = tab.open(run="deep_sigmoid", view="findings")
    where = frame.locator(".detail section", has_text="Where").first
    expect(where.get_by_text("0.weight", exact=True)).to_have_count(1)
    expect(where.get_by_role("button", name="Show these steps")).to_have_count(0)
    expect(frame.get_by_text("Numbers and thresholds")).to_be_visible()
    frame = made.open(run="sick", view="findings", f="LD203:250:blocks.1.mlp.fc1.weight")
    expect(frame.get_by_role("button", name="Show these steps")).to_be_visible()


def test_a_resumed_run_is_not_joined_across_the_restart_and_what_was_lost_is_named(
    open_tab: Open, serve: Callable[..., str], tmp_path: Path
) -> None:
    """U29, R3: training begins anew at step 150 although the run goes on."""
    rng = np.random.default_rng(0)
    for first in (0, 150):
        with SummaryWriter(tmp_path / "run") as writer:
            for step in range(first, first + 150):
                loss = 0.4 + 2 * np.exp(-(step - first) / 40) + 0.05 * rng.standard_normal()
                writer.add_diagnostics(loss=float(loss), global_step=step)
    frame = open_tab(serve(tmp_path)).open(run="run")
    expect(frame.locator(".leading")).to_contain_text("resumed at step 150")
    expect(frame.get_by_text("resumed at step 150", exact=True)).to_be_visible()
    expect(frame.locator(".one-run > h2")).to_contain_text("Needs attention")


@pytest.mark.parametrize("run", ["modules", "many_terms", "tiny"])
def test_runs_at_the_edges_are_accessible(edges: Any, run: str) -> None:
    """U37, and the views that are new."""
    wrong = {}
    for view in ("overview", "gradients", "terms", "activations"):
        frame = edges.open(run=run, view=view)
        settle(frame)
        if found := faults(frame):
            wrong[view] = found
    assert wrong == {}


def test_what_opens_is_accessible(made: Any) -> None:
    frame = made.open(run="sick", view="findings")
    settle(frame)
    frame.get_by_text("Mute", exact=True).click()
    for folded in frame.locator("details.outcomes > summary").all():
        folded.click()
    assert faults(frame) == []
    made.page.set_viewport_size({"width": 420, "height": 800})
    frame = made.open(run="sick", view="clipping")
    settle(frame)
    frame.locator(".bar-menu > summary").click()
    frame.locator(".plot .menu > summary").first.click()
    assert faults(frame) == []
    assert frame.evaluate("document.documentElement.scrollWidth") <= 420


def test_a_saved_map_says_what_its_colours_mean(made: Any) -> None:
    """U48."""
    frame = made.open(run="sick", view="gradients")
    expect(frame.locator(".legend").first).to_be_visible()
    with made.page.expect_download() as saved:
        frame.get_by_role("button", name="Save as SVG").first.click()
    picture = saved.value.path().read_text("utf-8")
    assert "L2 norm" in picture
    assert "≤ 0.00592" in picture
    assert "linearGradient" in picture
