"""Reports in a real browser: what a reader sees, points at and clicks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grokcore.reporting import build_report
from tests.reporting.synthetic_runs import COMPARISON, modular
from tests.reporting.visits import DEEP_COUNT, Visit, share_of

pytestmark = pytest.mark.chromium
Write = Callable[..., Path]
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"
HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """Opens the report of some runs; at the end, nothing may have gone wrong on any page."""
    visits: list[Visit] = []

    def open_report(*runs: Path, **options: Any) -> Visit:
        html = Path(build_report(list(runs), tmp_path / "report.html")).read_text("utf-8")
        visits.append(Visit(browser, html, **options))
        return visits[-1]

    yield open_report
    for one in visits:
        one.page.close()
    assert [problem for one in visits for problem in one.problems] == []


BLUE, VERMILLION, BLUE_AT_HALF = "#0072B2", "#D55E00", "#80B9D9"


def test_charts_are_drawn_in_the_colours_of_their_splits(run: Write, visit: Callable[..., Visit]) -> None:
    page = visit(run())
    accuracy = page.picture("#accuracy")
    assert share_of(accuracy, BLUE) > 0.001
    assert share_of(accuracy, VERMILLION) > 0.001
    for chart in ("#loss", "#learning-rate", "#gradient-norm", "#weight-norm"):
        assert share_of(page.picture(chart), BLUE) > 0.001, chart
    ARTIFACTS.mkdir(exist_ok=True)
    page.page.screenshot(path=ARTIFACTS / "report-1280.png", full_page=True)


def test_a_legend_button_hides_its_split_with_its_marks_and_shows_it_again(
    run: Write, visit: Callable[..., Visit]
) -> None:
    page = visit(run())
    button = page.frame.get_by_role("button", name="test_inferred_ood")
    shown = share_of(page.picture("#accuracy"), VERMILLION)
    button.click()
    page.page.wait_for_timeout(200)
    assert button.get_attribute("aria-pressed") == "false"
    assert share_of(page.picture("#accuracy"), VERMILLION) < shown / 20
    assert share_of(page.picture("#accuracy"), BLUE) > 0.001
    assert share_of(page.picture("#loss"), VERMILLION) < shown / 20
    button.click()
    page.page.wait_for_timeout(200)
    assert share_of(page.picture("#accuracy"), VERMILLION) == pytest.approx(shown, rel=0.05)


def test_none_and_all_work_on_every_curve(run: Write, visit: Callable[..., Visit]) -> None:
    page = visit(run("a"), run("b", seed=1, midpoints=(("test_inferred_iid", 700), ("test_inferred_ood", 2000))))
    page.frame.get_by_role("button", name="none").click()
    page.page.wait_for_timeout(200)
    assert share_of(page.picture("#accuracy-1"), BLUE) == share_of(page.picture("#accuracy-1"), VERMILLION) == 0
    page.frame.get_by_role("button", name="all").click()
    page.page.wait_for_timeout(200)
    assert share_of(page.picture("#accuracy-1"), VERMILLION) > 0.001


@pytest.mark.parametrize("embedded", [False, True], ids=["page", "sandboxed iframe"])
def test_pointing_at_a_curve_tells_run_split_step_epoch_and_accuracy(
    run: Write, visit: Callable[..., Visit], embedded: bool
) -> None:
    directory = run()
    page = visit(directory, embedded=embedded)
    texts = page.hover_texts("#accuracy")
    assert texts, "no tooltip on the whole walk over the chart"
    told = re.search(
        r"^\s*demo\n(\w+)\nstep ([\d,]+) · epoch ([\d.]+)\naccuracy ([\d.]+) %", "\n".join(texts), re.MULTILINE
    )
    assert told, texts[0]
    split, step, epoch, accuracy = told.groups()
    lines = map(json.loads, (directory / "metrics.jsonl").read_text().splitlines())
    (line,) = [line for line in lines if line["step"] == int(step.replace(",", ""))]
    assert line["splits"][split]["accuracy"] == pytest.approx(float(accuracy) / 100, abs=6e-5)
    assert line["epoch"] == pytest.approx(float(epoch), abs=6e-3)


def test_a_sandboxed_frame_shows_the_charts_and_reacts(run: Write, visit: Callable[..., Visit]) -> None:
    page = visit(run(recipe=modular()), embedded=True)
    assert share_of(page.picture("#accuracy"), BLUE) > 0.001
    page.frame.get_by_role("button", name="test", exact=True).click()
    page.page.wait_for_timeout(200)
    assert share_of(page.picture("#accuracy"), BLUE) < 0.0005


def test_hostile_names_stay_text_on_the_page_and_in_tooltips(run: Write, visit: Callable[..., Visit]) -> None:
    name = f"{HOSTILE}$$x$$@step{{safe}}"
    splits = tuple((f"{HOSTILE}{split}" if "test" in split else split, facts) for split, facts in COMPARISON.items())
    midpoints = ((f"{HOSTILE}test_inferred_iid", 340), (f"{HOSTILE}test_inferred_ood", 1000))
    one = run(name=name, description=HOSTILE, splits=splits, midpoints=midpoints)
    for runs in ([one], [one, run("other", architecture=HOSTILE)]):
        page = visit(*runs)
        chart = "#accuracy" if len(runs) == 1 else "#accuracy-1"
        texts = page.hover_texts(chart)
        assert any(name in text for text in texts), texts[:1]
        assert page.frame.evaluate(DEEP_COUNT, "img") == 0
        assert page.frame.evaluate(DEEP_COUNT, "script") == 3


@pytest.mark.parametrize("width", [360, 400, 1600])
def test_nothing_sticks_out_at_the_side(run: Write, visit: Callable[..., Visit], width: int) -> None:
    page = visit(run(), run("a run of a rather long name, as people give them to their runs", seed=1), width=width)
    assert page.frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    chart = page.frame.locator("#accuracy-1").bounding_box()
    assert chart["x"] >= 0
    assert chart["x"] + chart["width"] <= width
    if width == 400:
        ARTIFACTS.mkdir(exist_ok=True)
        page.page.screenshot(path=ARTIFACTS / "report-of-two-400.png", full_page=True)


def test_twenty_runs_are_drawn(run: Write, visit: Callable[..., Visit]) -> None:
    recipes = [modular(name=f"run {number}", midpoints=(("test", 400 + 60 * number),)) for number in range(20)]
    page = visit(*[run(recipe=recipe) for recipe in recipes])
    assert share_of(page.picture("#accuracy-1"), BLUE) > 0.0005
    assert page.frame.locator("button[data-toggle]").count() == 20


def test_seeds_are_faint_below_their_median_and_hidden_together(run: Write, visit: Callable[..., Visit]) -> None:
    seeds = [run(recipe=modular(seed=seed, midpoints=(("test", 500 + 90 * seed),))) for seed in range(8)]
    other = run(recipe=modular(architecture="rwkv", midpoints=(("test", 300),)))
    page = visit(*seeds, other, width=400)
    ARTIFACTS.mkdir(exist_ok=True)
    page.page.screenshot(path=ARTIFACTS / "report-of-seeds-400.png", full_page=True)
    assert page.frame.locator("button[data-toggle]").count() == 2
    chart = "#accuracy-1"
    bold, faint, lone = (share_of(page.picture(chart), colour) for colour in (BLUE, BLUE_AT_HALF, VERMILLION))
    assert min(bold, faint, lone) > 0.0005
    page.frame.get_by_role("button", name="8 seeds").click()
    page.page.wait_for_timeout(200)
    assert share_of(page.picture(chart), BLUE) < bold / 20
    assert share_of(page.picture(chart), BLUE_AT_HALF) < faint / 4  # the smoothed edges of other lines remain
    assert share_of(page.picture(chart), VERMILLION) == pytest.approx(lone, rel=0.1)


def test_pointing_at_a_seed_or_at_the_median_tells_which_it_is(run: Write, visit: Callable[..., Visit]) -> None:
    page = visit(*[run(recipe=modular(seed=seed, midpoints=(("test", 300 + 200 * seed),))) for seed in range(3)])
    told = " ".join(page.hover_texts("#accuracy-1"))
    assert "modular · seed 1" in told
    assert "modular · 3 seeds, median" in told


def test_runs_without_a_curve_break_nothing(run: Write, visit: Callable[..., Visit]) -> None:
    visit(run(single_evaluation=True), run("b", diverged_at=900), run(recipe=modular(collapse_at=3600)))
    visit(run(single_evaluation=True))
