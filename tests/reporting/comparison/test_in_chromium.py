"""Comparisons in a real browser: what a reader sees, points at and switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grokcore.claims import document
from grokcore.reporting.comparison.page import render_comparison
from grokcore.runs.groups import groups_of
from tests.reporting.comparison.conftest import Written
from tests.reporting.comparison.made_up_groups import grid, run_of
from tests.reporting.visits import DEEP_COUNT, Visit, share_of

pytestmark = pytest.mark.chromium
ARTIFACTS = Path(__file__).parents[3] / "test-artifacts"
HOSTILE = "</script><img src=x onerror=alert(1)>"
BLUE, VERMILLION, GREEN, BLUE_BAND = "#0072B2", "#D55E00", "#009E73", "#D6E8F3"


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Opens a page; at the end, nothing may have gone wrong on any."""
    visits: list[Visit] = []

    def open_page(html: str, **options: Any) -> Visit:
        visits.append(Visit(browser, html, **options))
        return visits[-1]

    yield open_page
    for one in visits:
        one.page.close()
    assert [problem for one in visits for problem in one.problems] == []


def click(page: Visit, name: str) -> None:
    page.frame.get_by_role("button", name=name, exact=True).click()
    page.page.wait_for_timeout(200)


def test_a_switch_hides_its_group_in_all_charts_and_bands_stay_with_their_group(
    written: Written, visit: Callable[..., Visit]
) -> None:
    page = visit(written.html)
    ARTIFACTS.mkdir(exist_ok=True)
    page.page.screenshot(path=ARTIFACTS / "comparison-1280.png", full_page=True)
    charts = ("#accuracy-2", "#survival-1")
    lines = {chart: share_of(page.picture(chart), BLUE) for chart in charts}
    assert min(lines.values()) > 0.001
    band = share_of(page.picture("#accuracy-2"), BLUE_BAND, near=8)
    assert band > 0.001
    click(page, "model.architecture gpt2")
    for chart in charts:
        assert share_of(page.picture(chart), BLUE) < lines[chart] / 20
        assert share_of(page.picture(chart), VERMILLION) > 0.001
    click(page, "bands")
    click(page, "model.architecture gpt2")
    assert share_of(page.picture("#accuracy-2"), BLUE) == pytest.approx(lines["#accuracy-2"], rel=0.3)
    assert share_of(page.picture("#accuracy-2"), BLUE_BAND, near=8) < band / 5
    click(page, "bands")
    assert share_of(page.picture("#accuracy-2"), BLUE_BAND, near=8) == pytest.approx(band, rel=0.1)


def test_splits_are_shown_and_hidden_whole(written: Written, visit: Callable[..., Visit]) -> None:
    page = visit(written.html)
    atomic = page.frame.locator("#accuracy-3")
    assert not atomic.is_visible()
    click(page, "id_atomic")
    assert atomic.is_visible()
    assert share_of(page.picture("#accuracy-3"), GREEN) > 0.001  # the last of curves that coincide
    click(page, "training set")
    assert not page.frame.locator("#accuracy-0").is_visible()


@pytest.mark.parametrize("embedded", [False, True], ids=["page", "sandboxed iframe"])
def test_pointing_at_a_line_tells_group_step_and_accuracy(
    written: Written, visit: Callable[..., Visit], embedded: bool
) -> None:
    page = visit(written.html, embedded=embedded)
    told = "\n".join(page.hover_texts("#accuracy-2"))
    assert "architecture" in told
    assert "seeds\ntest_inferred_ood\nstep " in told
    assert "median accuracy 45.00 %" in told


@pytest.mark.parametrize("width", [360, 400, 1600])
def test_nothing_sticks_out_at_the_side(written: Written, visit: Callable[..., Visit], width: int) -> None:
    page = visit(written.html, width=width)
    for part in page.frame.locator("details").all():
        part.evaluate("part => { part.open = true }")
    assert page.frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    if width == 400:
        ARTIFACTS.mkdir(exist_ok=True)
        page.page.screenshot(path=ARTIFACTS / "comparison-400.png", full_page=True)


def test_a_dose_response_is_drawn_and_names_stay_text_in_its_tooltips(visit: Callable[..., Visit]) -> None:
    runs = grid(values=(5, 10, 20), decays=(0.1, 0.4))
    page = visit(render_comparison(groups_of(runs), document(runs).claims, "/nowhere/at/all"))
    chart = page.frame.locator("#dose-0-1")
    assert share_of(page.picture("#dose-0-1"), BLUE) > 0.002
    assert share_of(page.picture("#dose-0-1"), VERMILLION) > 0.002
    chart.scroll_into_view_if_needed()
    page.page.screenshot(path=ARTIFACTS / "comparison-of-a-grid-1280.png", full_page=True)


def test_hostile_names_stay_text(visit: Callable[..., Visit]) -> None:
    run = run_of()
    name = f"{HOSTILE}$$x$$@step{{safe}}"
    hostile = replace(run, spec=run.spec.model_copy(update={"name": name}), uri=f"javascript:alert(1)//{HOSTILE}")
    page = visit(render_comparison(groups_of([hostile]), [], "/nowhere/at/all"))
    assert any(name in text for text in page.hover_texts("#accuracy-2"))
    assert page.frame.evaluate(DEEP_COUNT, "img") == 0
    assert page.frame.locator("a[href^=javascript]").count() == 0


def test_on_paper_everything_is_unfolded(written: Written, visit: Callable[..., Visit]) -> None:
    page = visit(written.html)
    assert page.page.locator("details:not([open])").count() > 0
    page.page.pdf()
    assert page.page.locator("details:not([open])").count() == 0


def test_all_can_be_reached_by_the_keyboard(written: Written, visit: Callable[..., Visit]) -> None:
    page = visit(written.html)
    page.frame.get_by_role("button", name="model.architecture llama").focus()
    page.page.keyboard.press("Space")
    pressed = page.frame.get_by_role("button", name="model.architecture llama").get_attribute("aria-pressed")
    assert pressed == "false"
    summary = page.frame.locator("summary").first
    summary.focus()
    page.page.keyboard.press("Enter")
    assert page.frame.locator("details").first.evaluate("one => one.open")
