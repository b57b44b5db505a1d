"""Two settings at once: medians as a map that is drawn, and a ratio of ratios without an interval."""

from __future__ import annotations

from typing import Any

import pytest
from bokeh.models import ColorBar
from bokeh.models.glyphs import Rect

from grokcore.errors import InputError
from grokcore.reporting.interaction import HeatMap, HeatMaps, heat_maps, ratio_of_ratios, share_of
from grokcore.reporting.outcomes import median_text, outcomes_of
from grokcore.reporting.page import render
from grokcore.reporting.phase_diagrams import phase_diagram
from grokcore.reporting.study import study_of
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from tests.reporting.made_up_groups import IID, OOD, architectures, grid, run_of
from tests.reporting.pages import Page


def mapped(runs: list[RunRecord], **options: Any) -> HeatMaps:
    study = study_of(groups_of(runs))
    return heat_maps(study, outcomes_of(study), **options)


def one_map(runs: list[RunRecord]) -> HeatMap:
    (one,) = mapped(runs, split=OOD).maps
    return one


def drawn(one: HeatMap) -> dict[str, list[Any]]:
    """The data of the cells of a diagram."""
    plot = phase_diagram("here", one).figure
    (cells,) = [renderer for renderer in plot.renderers if isinstance(renderer.glyph, Rect)]
    return dict(cells.data_source.data)


def censored_where(decay: float, seeds: int = 1, among: int = 1) -> list[RunRecord]:
    """A grid in which so many seeds among all of a cell never get there, under one weight decay."""
    return [
        run_of(
            f"task.values={values}", f"training.weight_decay={weight}", f"seed={seed}",
            ood=None if weight == decay and seed < seeds else 900 + 10 * seed,
        )
        for values in (5, 20)
        for weight in (0.1, 0.4)
        for seed in range(among)
    ]  # fmt: skip


def test_factors_that_multiply_do_not_interact() -> None:
    assert ratio_of_ratios(((100, 200), (300, 600))) == pytest.approx(1)
    assert ratio_of_ratios(((100, 200), (100, 400))) == pytest.approx(2)


def test_a_grid_has_a_cell_for_each_combination_with_the_median_of_its_group() -> None:
    runs = grid((5, 10, 20), (0.1, 0.4))
    one = one_map(runs)
    assert (one.columns.name, one.rows.name) == ("task.values", "training.weight_decay")
    assert (one.column_heads, one.row_heads) == (["5", "10", "20"], ["0.1", "0.4"])
    study = study_of(groups_of(runs))
    outcomes, (split,) = outcomes_of(study), [split for split in study.held_out if split.name == OOD]
    for number, group in enumerate(study.groups):
        cell = one.cells[one.rows.values.index(group.settings["training.weight_decay"])][
            one.columns.values.index(group.settings["task.values"])
        ]
        outcome = outcomes.get(number, split, "sustained")
        assert outcome is not None
        assert cell is not None
        assert cell.outcome.median == outcome.median
        assert cell.group.label == group.label
    assert "ratio of ratios" in one.interaction


def test_every_held_out_split_has_a_map() -> None:
    assert [one.split.name for one in mapped(grid((5, 20), (0.1, 0.4))).maps] == [IID, OOD]
    with pytest.raises(InputError, match=f"no held-out split 'train'; the held-out splits are {IID}, {OOD}"):
        mapped(grid((5, 20), (0.1, 0.4)), split="train")


def test_cells_are_read_without_color_and_the_color_is_on_a_logarithmic_scale() -> None:
    one = one_map(grid((5, 10, 20), (0.1, 0.4), seeds=3))
    data = drawn(one)
    assert data["text"] == [f"{median_text(cell.outcome)}\n3 of 3" for cell in one.filled]
    assert len(set(data["fill"])) > 3
    assert set(data["hatch"]) == {"blank"}
    assert "95" in data["told"][0] or "median" in data["told"][0]
    plot = phase_diagram("here", one).figure
    (bar,) = [part for part in plot.right if isinstance(part, ColorBar)]
    medians = [cell.outcome.median.step for cell in one.filled]
    assert (bar.color_mapper.low, bar.color_mapper.high) == (min(medians), max(medians)) == one.limits
    assert share_of(200, (100, 400)) == pytest.approx(0.5)


def test_cells_with_censored_runs_are_hatched_and_those_without_a_median_have_no_color() -> None:
    some = drawn(one_map(censored_where(0.1, seeds=1, among=3)))
    assert some["hatch"] == ["vertical_line", "vertical_line", "blank", "blank"]
    assert [text.split("\n")[1] for text in some["text"]] == ["2 of 3", "2 of 3", "3 of 3", "3 of 3"]
    assert "#ffffff" not in some["fill"]
    most = drawn(one_map(censored_where(0.1, seeds=2, among=3)))
    assert most["hatch"] == ["right_diagonal_line", "right_diagonal_line", "blank", "blank"]
    assert most["fill"][:2] == ["#ffffff", "#ffffff"]
    assert all(text.startswith(">") for text in most["text"][:2])
    assert "1 grokked, 2 censored" in most["told"][0]


def test_nothing_known_has_no_scale_of_colors_and_no_interaction() -> None:
    runs = [
        run_of(f"task.values={values}", f"training.weight_decay={decay}", ood=None)
        for values in (5, 20)
        for decay in (0.1, 0.4)
    ]
    one = one_map(runs)
    assert one.limits is None
    assert one.interaction == ""
    assert [part for part in phase_diagram("here", one).figure.right if isinstance(part, ColorBar)] == []


def test_a_combination_that_was_not_run_is_empty() -> None:
    one = one_map(grid((5, 20), (0.1, 0.4), seeds=1)[:-1])
    assert sum(cell is None for row in one.cells for cell in row) == 1
    assert len(drawn(one)["x"]) == 3
    assert one.interaction == ""


def test_values_drawn_at_random_are_marks_where_they_lie() -> None:
    pairs = [(5, 0.1), (7, 0.4), (11, 0.2), (20, 0.3), (80, 0.25)]
    runs = [run_of(f"task.values={values}", f"training.weight_decay={decay}") for values, decay in pairs]
    one = one_map(runs)
    assert not one.is_grid
    data = drawn(one)
    assert len(data["x"]) == 5
    gaps = [right - left for left, right in zip(sorted(data["x"]), sorted(data["x"])[1:], strict=False)]
    assert max(gaps) > 1.5 * min(gaps), "places are not just numbered"


def test_of_three_settings_two_are_shown_for_each_value_of_the_third_and_the_page_says_so() -> None:
    runs = [
        run_of(
            f"task.values={values}",
            f"training.weight_decay={decay}",
            f"model.layers={layers}",
            ood=500 + values * layers,
        )
        for values in (5, 10, 20)
        for decay in (0.1, 0.4)
        for layers in (1, 2)
    ]
    found = mapped(runs, split=OOD)
    assert [one.facet for one in found.maps] == ["training.weight_decay 0.1", "training.weight_decay 0.4"]
    assert {(one.columns.name, one.rows.name) for one in found.maps} == {("task.values", "model.layers")}
    assert found.maps[0].limits == found.maps[1].limits, "one scale for both"
    assert "differ in 3 settings" in found.note
    assert "one for each combination of" in found.note
    text = Page(render(groups_of(runs), [], "/nowhere/at/all")).text
    assert "The groups differ in 3 settings" in text
    chosen = mapped(runs, x="layers", y="weight_decay", split=OOD)
    assert {(one.columns.name, one.rows.name) for one in chosen.maps} == {("model.layers", "training.weight_decay")}
    with pytest.raises(
        InputError, match=r"'width' is no field that the runs differ in; they differ in task\.values, model\.layers"
    ):
        mapped(runs, x="width")
    with pytest.raises(InputError, match=r"x and y are both model\.layers"):
        mapped(runs, x="layers", y="model.layers")


def test_one_axis_has_no_heat_map() -> None:
    assert mapped(architectures()).maps == []
    assert mapped([run_of()]).maps == []


def test_the_page_shows_it_drawn_and_as_a_table() -> None:
    runs = grid((5, 20), (0.1, 0.4))
    html = render(groups_of(runs), [], "/nowhere/at/all")
    text = Page(html).text
    assert "Two settings at once" in text
    assert "no interval is given" in text
    assert 'id="phase-diagram-0"' in html
    assert "median steps until it was sustained, and how many runs got there" in text
