"""Pages in a real browser, of one run and of many: what a reader sees, points at and clicks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from grokcore.claims import document
from grokcore.reporting.page import render
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from tests.reporting.conftest import Written
from tests.reporting.made_up_groups import OOD, architectures, grid, run_of
from tests.reporting.visits import DEEP_COUNT, Visit, share_of
from tests.support.extended import extended

pytestmark = pytest.mark.chromium
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
HOSTILE = "</script><img src=x onerror=alert(1)>"
BLUE, VERMILLION, GREEN, BLUE_BAND = "#0072B2", "#D55E00", "#009E73", "#D6E8F3"


def html_of(*runs: RunRecord) -> str:
    return render(groups_of(runs), document(runs).claims, "/nowhere/at/all")


def screenshot(page: Visit, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.page.screenshot(path=ARTIFACTS / name, full_page=True)


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


@pytest.mark.parametrize("embedded", [extended(False), True], ids=["page", "sandboxed iframe"])
def test_pointing_at_a_line_tells_group_step_and_accuracy(
    written: Written, visit: Callable[..., Visit], embedded: bool
) -> None:
    page = visit(written.html, embedded=embedded)
    told = "\n".join(page.hover_texts("#accuracy-2"))
    assert "architecture" in told
    assert "seeds\ntest_inferred_ood\nstep " in told
    assert "median accuracy 45.00 %" in told


@pytest.mark.parametrize("width", [extended(360), 400, extended(1600)])
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
    page = visit(html_of(*runs))
    chart = page.frame.locator("#dose-0-1")
    assert share_of(page.picture("#dose-0-1"), BLUE) > 0.002
    assert share_of(page.picture("#dose-0-1"), VERMILLION) > 0.002
    chart.scroll_into_view_if_needed()
    page.page.screenshot(path=ARTIFACTS / "comparison-of-a-grid-1280.png", full_page=True)


def test_hostile_names_stay_text(visit: Callable[..., Visit]) -> None:
    run = run_of()
    name = f"{HOSTILE}$$x$$@step{{safe}}"
    hostile = replace(run, spec=run.spec.model_copy(update={"name": name}), uri=f"javascript:alert(1)//{HOSTILE}")
    page = visit(render(groups_of([hostile]), [], "/nowhere/at/all"))
    assert any(name in text for text in page.hover_texts("#run-0-accuracy"))
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


def test_one_run_is_drawn_in_the_colors_of_its_splits(visit: Callable[..., Visit]) -> None:
    page = visit(html_of(run_of()))
    accuracy = page.picture("#run-0-accuracy")
    assert share_of(accuracy, BLUE) > 0.0005
    assert share_of(accuracy, VERMILLION) > 0.0005
    for chart in ("learning-rate", "gradient-norm", "weight-norm"):
        assert share_of(page.picture(f"#run-0-{chart}"), BLUE) > 0.001, chart
    screenshot(page, "report-of-one-1280.png")


def test_a_button_hides_a_split_of_a_run_with_its_markers_and_shows_it_again(visit: Callable[..., Visit]) -> None:
    page = visit(html_of(run_of()))
    chart = "#run-0-accuracy"
    shown = share_of(page.picture(chart), VERMILLION)
    click(page, OOD)
    assert share_of(page.picture(chart), VERMILLION) < shown / 20
    assert share_of(page.picture(chart), BLUE) > 0.001
    click(page, OOD)
    assert share_of(page.picture(chart), VERMILLION) == pytest.approx(shown, rel=0.05)
    click(page, "none")
    assert share_of(page.picture(chart), BLUE) == share_of(page.picture(chart), VERMILLION) == 0
    click(page, "all")
    assert share_of(page.picture(chart), VERMILLION) > 0.001


@pytest.mark.parametrize("embedded", [False, extended(True)], ids=["page", "sandboxed iframe"])
def test_pointing_at_a_curve_tells_run_split_step_epoch_and_accuracy(
    visit: Callable[..., Visit], embedded: bool
) -> None:
    run = run_of()
    page = visit(html_of(run), embedded=embedded)
    texts = page.hover_texts("#run-0-accuracy")
    assert texts, "no tooltip on the whole walk over the chart"
    told = re.search(
        r"^\s*demo, seed 0\n(\w+)\nstep ([\d,]+) · epoch ([\d.]+)\naccuracy ([\d.]+) %", "\n".join(texts), re.MULTILINE
    )
    assert told, texts[0]
    split, step, epoch, accuracy = told.groups()
    (line,) = [line for line in run.journal if line["step"] == int(step.replace(",", ""))]
    assert line["splits"][split]["accuracy"] == pytest.approx(float(accuracy) / 100, abs=6e-5)
    assert line["epoch"] == pytest.approx(float(epoch), abs=6e-3)


PAGES: dict[str, Callable[[], list[RunRecord]]] = {
    "one run": lambda: [run_of()],
    "few runs": lambda: [run_of(f"seed={seed}") for seed in range(2)],
    "groups": architectures,
    "grid": lambda: grid((5, 20), (0.1, 0.4)),
}


@pytest.mark.parametrize("runs", PAGES.values(), ids=PAGES)
def test_all_fits_the_width_of_1280_pixels_in_light_and_in_dark(
    runs: Callable[[], list[RunRecord]], visit: Callable[..., Visit]
) -> None:
    page = visit(html_of(*runs()), width=1280)
    for scheme in ("light", "dark"):
        page.page.emulate_media(color_scheme=scheme)
        assert page.frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.frame.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    wide = page.frame.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth)"
        ".map(one => one.getAttribute('aria-label'))"
    )
    assert wide == []
    background = page.frame.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background != "rgb(255, 255, 255)", "the page follows the reader's dark mode"


def test_runs_without_a_curve_break_nothing(visit: Callable[..., Visit]) -> None:
    visit(html_of(run_of("training.max_steps=1"), run_of("seed=1", exit_reason="diverged")))
    visit(html_of(run_of("training.max_steps=1")))
