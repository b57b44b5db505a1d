"""The inside of a model in a real browser: the slider, the choice of a split, what is told on pointing at a number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grokcore.claims import document
from grokcore.reporting.page import render
from grokcore.runs.groups import groups_of
from tests.reporting.made_up_analyses import TRAIN, analysis_of
from tests.reporting.made_up_groups import OOD, architectures, run_of
from tests.reporting.visits import Visit, share_of

pytestmark = pytest.mark.chromium
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
MAP = "#inside-tracing-flip-0"
SITE = f"{MAP} td[data-cell='9']"
"""Layer 1, e2."""
VERMILLION, ORANGE = "#D55E00", "#E69F00"


@pytest.fixture(scope="module")
def html() -> str:
    run = run_of()
    return render(groups_of([run]), document([run]).claims, "/nowhere/at/all", analyses={run.uri: analysis_of(run)})


def color(page: Visit, selector: str) -> str:
    found: str = page.frame.locator(selector).evaluate("one => getComputedStyle(one).backgroundColor")
    return found


def text(page: Visit, selector: str) -> str:
    found: str = page.frame.locator(selector).inner_text()
    return found


def press(page: Visit, *keys: str) -> None:
    for key in keys:
        page.page.keyboard.press(key)
    page.page.wait_for_timeout(100)


def test_the_slider_moves_all_maps_by_the_keyboard_and_tells_its_step(html: str, visit: Callable[..., Visit]) -> None:
    page = visit(html)
    ARTIFACTS.mkdir(exist_ok=True)
    page.page.screenshot(path=ARTIFACTS / "report-of-an-analyzed-run-1280.png", full_page=True)
    last = color(page, SITE)
    assert text(page, SITE) == "0.98"
    page.frame.locator("#inside-step").focus()
    press(page, "Home")
    assert text(page, SITE) == "0.23"
    assert color(page, SITE) != last
    assert text(page, "#inside-lens-lens_gain-0 td[data-cell='9']") == "0.23"
    assert text(page, "#inside-at").startswith("500 · memorized · accuracy: training set 100")
    told = page.frame.locator("#inside-step").get_attribute("aria-valuetext")
    assert told.startswith("step 500 · memorized")
    press(page, "ArrowRight")
    assert text(page, SITE) == "0.48"
    press(page, "End")
    assert (text(page, SITE), color(page, SITE)) == ("0.98", last)
    page.frame.get_by_role("button", name=f"{OOD} sustained", exact=True).click()
    assert text(page, SITE) == "0.73"


def test_playing_runs_from_the_first_step_to_the_last(html: str, visit: Callable[..., Visit]) -> None:
    page = visit(html)
    page.frame.locator(SITE).evaluate(
        "one => { window.seen = []; new MutationObserver(() => window.seen.push(one.textContent))"
        ".observe(one, {childList: true}); }"
    )
    page.frame.get_by_role("button", name="play", exact=True).click()
    page.frame.get_by_role("button", name="stop", exact=True).wait_for(state="detached")
    assert page.frame.evaluate("window.seen") == ["0.23", "0.48", "0.73", "0.98"]


def test_a_split_is_chosen_for_maps_curves_and_the_table(html: str, visit: Callable[..., Visit]) -> None:
    page = visit(html)
    page.frame.locator("#inside-step").focus()
    press(page, "Home")
    page.frame.get_by_role("radio", name=TRAIN).check()
    assert text(page, SITE) == "0.48"
    assert page.frame.get_by_text(f"{TRAIN}, at a glance").is_visible()
    assert not page.frame.get_by_text(f"{OOD}, at a glance").is_visible()


def test_pointing_at_a_cell_tells_its_interval_control_and_n_and_arrows_move_on(
    html: str, visit: Callable[..., Visit]
) -> None:
    page = visit(html)
    page.frame.locator(SITE).hover()
    told = text(page, "#inside-note")
    assert told.splitlines()[:3] == ["e1 · layer 1 · e2", "flip 0.98", "95 % [0.93, 1.03]"]
    assert "kept where the value stays the same 0.98" in told
    assert told.endswith("n 280")
    page.page.mouse.move(0, 0)
    assert not page.frame.locator("#inside-note").is_visible()
    first = page.frame.locator(f"{MAP} td[data-cell='10']")
    first.focus()
    assert "layer 2 · attr" in text(page, "#inside-note")
    press(page, "ArrowDown", "ArrowRight")
    assert "layer 1 · q" in text(page, "#inside-note")
    assert page.frame.locator(f"{MAP} td[tabindex='0']").count() == 1
    press(page, "Escape")
    assert not page.frame.locator("#inside-note").is_visible()


def test_cells_are_drawn_as_curves_on_the_axis_of_the_accuracy(html: str, visit: Callable[..., Visit]) -> None:
    page = visit(html)
    chart = "#inside-tracing-headline-0-chart"
    held_out = page.picture(chart)
    assert share_of(held_out, VERMILLION) > 0.001
    told = "\n".join(page.hover_texts(chart, share=0.93))
    assert "e1" in told
    assert "n 140 · layer 1, e2" in told
    page.frame.get_by_role("radio", name=TRAIN).check()
    page.page.wait_for_timeout(300)
    assert page.picture(chart).tobytes() != held_out.tobytes()
    page.frame.get_by_text("The same cells over steps").first.click()
    page.page.wait_for_timeout(300)
    assert share_of(page.picture("#inside-lens-lens_gain-0-curves"), ORANGE) > 0.001


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_sticks_out_at_the_side_in_light_and_in_dark(
    html: str, visit: Callable[..., Visit], width: int
) -> None:
    page = visit(html, width=width)
    page.frame.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    for scheme in ("light", "dark"):
        page.page.emulate_media(color_scheme=scheme)
        assert page.frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.page.screenshot(path=ARTIFACTS / f"report-of-an-analyzed-run-{width}-dark.png", full_page=True)


def test_groups_stand_side_by_side_for_a_chosen_split(visit: Callable[..., Visit]) -> None:
    runs = architectures()
    analyses = {run.uri: analysis_of(run, steps=(1000,)) for run in runs}
    page = visit(render(groups_of(runs), document(runs).claims, "/nowhere/at/all", analyses=analyses))
    sites = [f"#inside-{group}-tracing-flip-0 td[data-cell='9']" for group in range(3)]
    assert [text(page, site) for site in sites] == ["0.48"] * 3
    page.frame.locator(sites[0]).hover()
    assert "range [0.48, 0.48]" in text(page, "#inside-note")
    assert text(page, "#inside-note").endswith("3 seeds")
    page.frame.get_by_role("radio", name=TRAIN).check()
    assert [text(page, site) for site in sites] == ["0.98"] * 3
    page.page.screenshot(path=ARTIFACTS / "comparison-of-analyzed-runs-1280.png", full_page=True)


def test_a_heading_without_a_map_of_the_chosen_split_is_hidden(visit: Callable[..., Visit]) -> None:
    runs = architectures()
    analyses = {run.uri: analysis_of(run, steps=(1000,)) for run in runs}
    page = visit(render(groups_of(runs), document(runs).claims, "/nowhere/at/all", analyses=analyses))
    row = page.frame.locator(".row-of-maps").first
    assert row.is_visible()
    row.evaluate("one => one.querySelectorAll('.map').forEach(map => { map.hidden = true; })")
    assert not row.is_visible()
