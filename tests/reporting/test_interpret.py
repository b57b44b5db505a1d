"""What a report shows of the inside of a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from grokcore.claims import document
from grokcore.errors import DamagedError
from grokcore.interpret.number import Number
from grokcore.interpret.result import Analysis
from grokcore.reporting import build_report
from grokcore.reporting.interpret.catalog import FAMILIES
from grokcore.reporting.interpret.cells import fixed, heat_cell
from grokcore.reporting.interpret.comparison import over_seeds
from grokcore.reporting.interpret.glance import glance
from grokcore.reporting.interpret.grids import Frame, Grid, grids_of
from grokcore.reporting.interpret.metrics import MapSpec, base_of, controls_of
from grokcore.reporting.page import render
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from tests.evaluation.made_up import write
from tests.reporting.made_up_analyses import ROLES, STEPS, TRAIN, analysis_of, write_beside
from tests.reporting.made_up_groups import IID, OOD, architectures, run_of
from tests.reporting.pages import Page


def html_of(run: RunRecord, analysis: Analysis | None) -> str:
    analyses = None if analysis is None else {run.uri: analysis}
    return render(groups_of([run]), document([run]).claims, "/nowhere/at/all", analyses=analyses)


def data_of(html: str) -> dict[str, object]:
    page = Page(html)
    names = [attributes.get("id") for tag, attributes in page.elements if tag == "script"]
    found: dict[str, object] = json.loads(page.scripts[names.index("interpret-data")])
    return found


def text_of(html: str) -> str:
    return Page(html).text.replace("\u202f", " ").replace("\u00a0", " ")


@pytest.fixture(scope="module")
def html() -> str:
    """The page of an analyzed run."""
    run = run_of()
    return html_of(run, analysis_of(run))


def grid_of(values: np.ndarray, lower: np.ndarray | None = None, **spec: object) -> Grid:
    """A grid of one split, `values` (steps, cells), in one row."""
    empty = np.full_like(values, np.nan)
    frame = Frame(
        values,
        empty if lower is None else lower,
        empty if lower is None else values + 0.1,
        np.full_like(values, 300),
        np.zeros((0, *values.shape)),
    )
    shown = MapSpec("made up", "metric", "title", rows="", columns="target", **spec)
    columns = tuple(f"c{place}" for place in range(values.shape[1]))
    return Grid("id", "title", shown, ("",), columns, {"test": frame})


def test_a_run_without_an_analysis_has_no_trace_of_one() -> None:
    html = html_of(run_of(), None)
    assert "Inside the model" not in html
    assert "interpret" not in html
    assert html == html_of(run_of(), None)


def test_the_page_loads_nothing_and_allows_its_own_scripts_alone(html: str) -> None:
    page = Page(html)
    (policy,) = [attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes]
    assert policy is not None
    assert policy.count("'sha256-") == 3
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


def test_maps_show_the_last_step_of_the_last_held_out_split_without_a_script(html: str) -> None:
    page = Page(html)
    cells = [attributes for tag, attributes in page.elements if tag == "td" and "data-cell" in attributes]
    assert len(cells) == 3 * 5 * (2 + 3 * 2) + 2 * 25
    text = text_of(html)
    assert f"{OOD}, at a glance" in text
    assert "n 280" in text
    assert "0.98" in text


def test_the_data_have_every_split_and_step_with_interval_control_and_n(html: str) -> None:
    data = data_of(html)
    grids = data["grids"]
    assert isinstance(grids, dict)
    (lens,) = [grid for name, grid in grids.items() if name == "inside-lens-lens_gain-1"]
    assert lens["title"] == "value of e1"
    assert set(lens["frames"]) == {TRAIN, IID, OOD}
    frame, cell = lens["frames"][OOD], lens["cells"].index("layer 1 · e2")
    assert [at[cell] for at in frame["v"]] == [0.23, 0.48, 0.73, 0.98]
    assert (frame["l"][0][cell], frame["u"][0][cell]) == (0.18, 0.28)
    assert frame["n"] == [300] * 4
    assert lens["beside"] == ["mrr", "shuffled"]
    assert frame["b"][1][0][cell] == 0.01
    flip = grids["inside-tracing-flip-0"]
    assert "kept where the value stays the same" in flip["beside"]
    assert len(data["steps"]) == len(STEPS)  # type: ignore[arg-type]


def test_metrics_of_an_unknown_analysis_are_drawn_with_their_controls() -> None:
    run = run_of()
    extra = [
        *(
            Number(metric, value, 300, OOD, layer=1, position=role, target="value of e1")
            for role in ROLES
            for metric, value in (("probe_accuracy", 0.8), ("probe_accuracy_shuffled", 0.1))
        ),
        *(Number("accuracy_drop", 0.4, 300, OOD, part, layer) for layer in (0, 1) for part in ("token", "channel")),
        Number("similarity", 0.9, 300, OOD, target="value of e1"),
        Number("similarity_shuffled", 0.2, 300, OOD, target="value of e1"),
    ]
    html = html_of(run, analysis_of(run, extra=extra))
    grids = data_of(html)["grids"]
    assert isinstance(grids, dict)
    probes = grids["inside-new_analysis-probe_accuracy-0"]
    assert probes["beside"] == ["shuffled"]
    assert probes["frames"][OOD]["b"][0][0][4] == 0.1
    drop = grids["inside-new_analysis-accuracy_drop-0"]
    assert drop["cells"] == ["layer 0 · token", "layer 0 · channel", "layer 1 · token", "layer 1 · channel"]
    assert not any("probe_accuracy_shuffled-0" in name for name in grids)
    headline = grids["inside-new_analysis-headline-0"]
    assert headline["cells"] == ["value of e1", "similarity_shuffled, value of e1"]
    assert headline["beside"] == ["shuffled"]
    assert headline["frames"][OOD]["b"][0][0][0] == 0.2
    assert "New analysis" in text_of(html)


def test_steps_and_maps_beyond_the_room_of_a_page_are_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokcore.reporting.interpret.section.MOST_NUMBERS", 1)
    monkeypatch.setattr("grokcore.reporting.interpret.section.MOST_CELLS", 20)
    run = run_of()
    steps = [*range(0, 2001, 50)]
    html = html_of(run, analysis_of(run, steps=steps))
    data = data_of(html)
    shown = data["steps"]
    assert isinstance(shown, list)
    assert 8 <= len(shown) < len(steps)
    assert any(text.startswith("1,500 ·") for text in shown), "a phase is kept"
    assert f"{len(steps) - len(shown)} of {len(steps)} analyzed steps" in text_of(html)
    assert "2 maps of value_zeroing with more than 20 cells" in text_of(html)


def test_splits_that_are_neither_trained_on_nor_held_out_are_named_as_left_out() -> None:
    run = run_of()
    html = html_of(run, analysis_of(run, splits=(TRAIN, OOD, "test_inferred_mixed")))
    assert "neither trained on nor held out: test_inferred_mixed" in text_of(html)
    choices = [attributes["value"] for tag, attributes in Page(html).elements if attributes.get("type") == "radio"]
    assert choices == [TRAIN, OOD]


def test_hostile_names_of_an_analysis_stay_text() -> None:
    run = run_of()
    name = "</script><img src=x onerror=alert(1)>"
    extra = [Number("measured", 0.5, 10, OOD, name, 1, "e1"), Number("measured", 0.5, 10, OOD, name)]
    page = Page(html_of(run, analysis_of(run, extra=extra)))
    assert "img" not in page.tags()
    assert name in page.text


def test_a_cell_is_blue_above_and_vermillion_below_the_neutral_value_and_open_where_the_interval_holds_it() -> None:
    values = np.array([[1.0, 0.0, -1.0, 0.05, np.nan]])
    grid = grid_of(values, lower=np.array([[0.9, -0.1, -1.1, -0.05, np.nan]]))
    one, nothing, minus, small, none = (heat_cell(grid, grid.frames["test"], 0, cell) for cell in range(5))
    assert (one.text, one.shade.color.upper(), one.shade.ink) == ("1.00", "#0072B2", "#fff")  # type: ignore[union-attr]
    assert (nothing.text, nothing.shade.color) == ("0.00", "#ffffff")  # type: ignore[union-attr]
    assert minus.shade.color.upper() == "#D55E00"  # type: ignore[union-attr]
    assert (one.open, nothing.open, small.open) == (False, True, True)
    assert (none.text, none.shade) == ("", None)
    kept = grid_of(np.array([[1.0, 0.5]]), neutral=1.0)
    assert heat_cell(kept, kept.frames["test"], 0, 0).shade.color == "#ffffff"  # type: ignore[union-attr]


def test_a_scale_other_than_shares_ends_at_the_largest_value() -> None:
    grid = grid_of(np.array([[3.0, 37.5]]), is_share=False)
    cells = [heat_cell(grid, grid.frames["test"], 0, cell) for cell in range(2)]
    assert [cell.text for cell in cells] == ["3.0", "37.5"]
    assert cells[1].shade.color.upper() == "#0072B2"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "text"), [(0.125, "0.13"), (-0.125, "-0.13"), (0.995, "0.99"), (-0.001, "0.00"), (2.0, "2.00")]
)
def test_numbers_are_rounded_as_a_script_does(value: float, text: str) -> None:
    assert fixed(value, 2) == text


def test_a_number_is_high_since_the_step_from_which_it_never_falls_again() -> None:
    grid = grid_of(np.array([[0.95, 0.2], [0.4, 0.6], [0.92, 0.7], [0.99, 0.8]]))
    (section,) = glance("test", [grid], STEPS).sections
    cells = [[cell.text for cell in row.cells] for row in section.rows]
    assert cells == [["0.99", "1,500", "1,500"], ["0.80", "1,000", "–"]]  # noqa: RUF001


def test_few_examples_make_no_number_high() -> None:
    grid = grid_of(np.array([[0.0], [0.0], [1.0], [1.0]]))
    grid.frames["test"].n[2:] = 3
    (section,) = glance("test", [grid], STEPS).sections
    assert [cell.text for cell in section.rows[0].cells] == ["1.00", "–", "–"]  # noqa: RUF001


def test_a_metric_named_after_another_is_its_control() -> None:
    known = ["probe", "probe_shuffled", "norm", "probe_shuffled_again"]
    assert base_of("probe_shuffled_again", known) == "probe"
    assert controls_of("probe", known) == ["probe_shuffled", "probe_shuffled_again"]
    assert controls_of("norm", known) == []


def test_maps_of_blocks_stand_in_the_order_of_blocks_and_positions_in_that_of_the_question() -> None:
    rows = [
        {"step": 1, "split": "s", "case": head, "target": other, "layer": layer, "position": role,
         "metric": "attention", "value": 0.5, "lower": None, "upper": None, "n": 3}
        for head in ("head 0", "head 1")
        for layer in (1, 0)
        for role in reversed(ROLES)
        for other in ROLES
    ]  # fmt: skip
    (spec,) = FAMILIES["attention"].specs
    grids = grids_of(spec, rows, [1], {"s": ROLES}, "id")
    titles = [f"block {layer}, head {head}" for layer in (0, 1) for head in (0, 1)]
    assert [grid.title for grid in grids] == titles
    assert grids[0].rows == grids[0].columns == ROLES


def test_a_few_shot_curve_is_one_row_of_bars_from_the_first_answer_to_the_last() -> None:
    places = [f"y{shot}" for shot in range(1, 13)]
    rows = [
        {"step": 5, "split": "test_ood", "metric": metric, "case": "", "target": target, "layer": None}
        | {"position": place, "value": value + shot / 100, "lower": 0.0, "upper": 1.0, "n": 300}
        for metric, value in (("accuracy", 0.5), ("determined", 0.6), ("accuracy_shuffled", 0.1))
        for shot, (place, target) in enumerate(
            zip(places, [*(f"z{shot}" for shot in range(1, 12)), "answer"], strict=True)
        )
    ]
    roles = tuple(f"{part}{shot}" for shot in range(1, 13) for part in "xyz")[:-1]
    (grid,) = grids_of(FAMILIES["shots"].specs[0], rows[::-1], [5], {"test_ood": roles}, "map")
    assert grid.columns == tuple(places)
    assert grid.rows == ("",)
    frame = grid.frames["test_ood"]
    assert frame.values[0].tolist() == pytest.approx([0.5 + shot / 100 for shot in range(12)])
    assert frame.beside[:, 0, 3].tolist() == pytest.approx([0.63, 0.13])


def test_a_report_shows_the_analysis_beside_a_run_and_refuses_a_table_of_another(tmp_path: Path) -> None:
    run = run_of()
    place = tmp_path / "run"
    write(run, place)
    without = Path(build_report([place], tmp_path / "without.html")).read_text()
    assert "Inside the model" not in without
    write_beside(run, place)
    assert "Inside the model" in Path(build_report([place], tmp_path / "with.html")).read_text()
    (place / "analysis.parquet").write_bytes(b"other")
    with pytest.raises(DamagedError, match=r"analysis\.parquet"):
        build_report([place], tmp_path / "damaged.html")


def test_seeds_are_merged_to_median_and_range_and_a_single_run_keeps_its_interval() -> None:
    runs = [grid_of(np.array([[value, np.nan]])) for value in (0.2, 0.9, 0.4)]
    (merged,) = over_seeds([[one] for one in runs])
    frame = merged.frames["test"]
    assert (frame.values[0, 0], frame.lower[0, 0], frame.upper[0, 0], frame.n[0, 0]) == (0.4, 0.2, 0.9, 3)
    assert np.isnan([frame.values[0, 1], frame.lower[0, 1], frame.upper[0, 1], frame.n[0, 1]]).all()
    assert (merged.interval, merged.counted) == ("range", "{} seeds")
    assert over_seeds([[runs[0]]]) == [runs[0]]


def test_a_comparison_shows_its_groups_side_by_side_and_names_those_without_an_analysis() -> None:
    runs = architectures()
    analyses = {run.uri: analysis_of(run) for run in runs if run.spec.model.architecture != "mamba"}
    html = render(groups_of(runs), document(runs).claims, "/nowhere/at/all", analyses=analyses)
    text = text_of(html)
    assert "Inside the models" in text
    assert "model.architecture gpt2 (3 runs, step 2,000)" in text
    assert "Not here: model.architecture mamba" in text
    assert f"{OOD}: headlines at the last analyzed step" in text
    assert "0.98 to 0.98 · 3 seeds · layer 1, e2" in text
    grids = data_of(html)["grids"]
    assert isinstance(grids, dict)
    for group in (0, 1):
        grid = grids[f"inside-{group}-tracing-flip-0"]
        assert (grid["interval"], grid["counted"]) == ("range", "{} seeds")
        assert grid["frames"][OOD]["v"][0][9] == 0.98
        assert grid["frames"][OOD]["n"] == [3]


def test_a_comparison_without_analyses_is_as_it_was() -> None:
    runs = architectures()
    pages = [render(groups_of(runs), document(runs).claims, "/x", analyses=one) for one in (None, {})]
    assert pages[0] == pages[1]
    assert "Inside" not in pages[0]
