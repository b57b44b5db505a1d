"""Two settings at once: medians as a heat map, and a ratio of ratios without an interval."""

from __future__ import annotations

import pytest

from grokcore.reporting.interaction import heat_maps, ratio_of_ratios
from grokcore.reporting.outcomes import outcomes_of
from grokcore.reporting.page import render
from grokcore.reporting.study import study_of
from grokcore.runs.groups import groups_of
from grokcore.runs.record import RunRecord
from tests.reporting.made_up_groups import OOD, architectures, grid, run_of
from tests.reporting.pages import Page


def maps(runs: list[RunRecord]):  # type: ignore[no-untyped-def]
    study = study_of(groups_of(runs))
    return heat_maps(study, outcomes_of(study))


def test_factors_that_multiply_do_not_interact() -> None:
    assert ratio_of_ratios(((100, 200), (300, 600))) == pytest.approx(1)
    assert ratio_of_ratios(((100, 200), (100, 400))) == pytest.approx(2)


def test_a_grid_has_a_cell_for_each_combination_with_the_median_of_its_group() -> None:
    runs = grid((5, 10, 20), (0.1, 0.4))
    (one,) = [found for found in maps(runs) if found.split == OOD]
    assert (one.columns.name, one.rows.name) == ("task.values", "training.weight_decay")
    assert (one.column_heads, one.row_heads) == (["5", "10", "20"], ["0.1", "0.4"])
    study = study_of(groups_of(runs))
    outcomes, (split,) = outcomes_of(study), [split for split in study.held_out if split.name == OOD]
    for number, group in enumerate(study.groups):
        row = one.rows.values.index(group.settings["training.weight_decay"])
        column = one.columns.values.index(group.settings["task.values"])
        outcome = outcomes.get(number, split, "sustained")
        assert outcome is not None
        assert one.cells[row][column].median == f"{outcome.median.step:,}"
    assert "ratio of ratios" in one.interaction


def test_a_median_that_is_not_known_has_no_color_and_leaves_the_interaction_open() -> None:
    runs = [
        run_of(f"task.values={values}", f"training.weight_decay={decay}", ood=None if decay == 0.1 else 900)
        for values in (5, 20)
        for decay in (0.1, 0.4)
    ]
    (one,) = [found for found in maps(runs) if found.split == OOD]
    cells = [cell for row in one.cells for cell in row]
    assert [bool(cell.color) for cell in cells] == [not cell.median.startswith(">") for cell in cells]
    assert {bool(cell.color) for cell in cells} == {True, False}
    assert one.interaction == ""


def test_a_combination_that_was_not_run_is_empty() -> None:
    runs = grid((5, 20), (0.1, 0.4), seeds=1)
    (one,) = [found for found in maps(runs[:-1]) if found.split == OOD]
    assert sum(cell is None for row in one.cells for cell in row) == 1
    assert one.interaction == ""


def test_one_axis_has_no_heat_map() -> None:
    assert maps(architectures()) == []
    assert maps([run_of()]) == []


def test_the_page_shows_it() -> None:
    runs = grid((5, 20), (0.1, 0.4))
    text = Page(render(groups_of(runs), [], "/nowhere/at/all")).text
    assert "Two settings at once" in text
    assert "no interval is given" in text
