"""Charts and pages that a notebook draws: complete in themselves, closed off, the same as on the page."""

from __future__ import annotations

import io
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.notebook import Inline, Progress, Runs
from grokcore.notebook.progress import bar_html, in_notebook
from tests.reporting.made_up_groups import OOD, grid, run_of
from tests.reporting.visits import Visit


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs(tuple(grid((5, 20), (0.1, 0.4), seeds=2)))


def test_a_chart_is_a_closed_frame_with_the_page_in_it(runs: Runs, tmp_path: Path) -> None:
    shown = runs.plot("phase_diagram", split=OOD)
    frame = shown._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert "allow-same-origin" not in frame
    inside = frame.partition('srcdoc="')[2].partition('" title=')[0]
    assert unescape(inside) == shown.html
    assert f"1 chart: {OOD}" in repr(shown)
    assert Path(shown.save(tmp_path / "page.html")).read_text("utf-8") == shown.html


@pytest.mark.parametrize("kind", ["accuracy", "time_to_grok", "dose_response", "phase_diagram"])
def test_runs_have_every_chart_of_a_comparison(runs: Runs, kind: str) -> None:
    every, one = runs.plot(kind), runs.plot(kind, split=OOD)  # type: ignore[arg-type]
    assert every.html.count("<figure") > one.html.count("<figure") >= 1
    assert OOD in one.html


@pytest.mark.parametrize("kind", ["accuracy", "loss", "optimizer"])
def test_a_run_has_its_own_charts(runs: Runs, kind: str) -> None:
    assert "<figure" in runs[0].plot(kind).html  # type: ignore[arg-type]


def test_what_cannot_be_drawn_is_said_in_a_line(runs: Runs) -> None:
    for wrong, told in (
        (lambda: runs.plot("acuracy"), "there is no chart 'acuracy'; charts are accuracy"),  # type: ignore[arg-type]
        (lambda: runs.plot("loss"), r"runs\[0\]\.plot\('loss'\)"),
        (lambda: runs[0].plot("phase_diagram"), "compares runs, and there is one"),
        (lambda: runs.plot(split="tset"), "there is no split 'tset'; the splits are training set"),
        (lambda: runs.plot(x="values"), "x and y choose the axes of a phase_diagram"),
        (lambda: runs[:0].plot(), "there are no runs here"),
        (lambda: runs[:2].plot("phase_diagram"), "needs runs that differ in two fields"),
    ):
        with pytest.raises(InputError, match=told):
            wrong()  # type: ignore[no-untyped-call]


def test_a_report_is_the_page_of_these_runs(runs: Runs) -> None:
    page = runs.report()
    assert isinstance(page, Inline)
    assert "Two settings at once" in page.html
    assert "Grokking report" in runs[0].report().html


@pytest.mark.chromium
def test_a_frame_draws_its_charts_in_a_notebooks_page(runs: Runs, visit: Callable[..., Visit]) -> None:
    page = visit(runs.plot("phase_diagram", split=OOD).html, embedded=True)
    assert page.frame.locator(".chart").count() == 1
    assert any("3 of 3" in text or "2 of 2" in text for text in page.hover_texts(".chart", share=0.4))


def test_a_bar_tells_accuracies_and_phases_and_names_are_text() -> None:
    run = run_of()
    html = bar_html("<b>name</b>", dict(run.journal[-1]), 2000, " · 0:10 left")
    assert "&lt;b&gt;name" in html
    assert 'max="2000" value="2000"' in html
    assert "training set <b>1.000</b> (memorized at" in html
    assert f"{OOD} <b>1.000</b> (onset at" in html


def test_outside_of_a_notebook_progress_is_what_a_terminal_shows(tmp_path: Path) -> None:
    import grokcore

    assert not in_notebook()
    brief = ["training.max_steps=3", "training.warmup_steps=0", "model.width=16", "training.stop_on_grok=null"]
    spec = grokcore.load_spec("modular", brief)
    grokcore.generate_dataset(spec.task, tmp_path / "data")
    told = io.StringIO()
    grokcore.train_model(spec, tmp_path / "data", tmp_path / "run", callbacks=[Progress(told)])
    assert "step 3/3" in told.getvalue()
