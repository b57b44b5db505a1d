"""Curves over a logarithmic axis say what was measured, and nothing that was not."""

from __future__ import annotations

import math

import pytest

from grokcore.terminal.curves import Axis, draw, sample


def test_equal_factors_of_steps_take_equal_columns() -> None:
    axis = Axis.up_to(1000, 30)
    assert [axis.cell(step) for step in (0, 1, 10, 100, 999, 1000, 5000)] == [0, 0, 10, 20, 29, 29, 29]


def test_a_long_axis_leaves_out_its_first_steps() -> None:
    axis = Axis.up_to(10**6, 40)
    assert axis.first == 100
    assert axis.cell(50) == 0
    assert axis.cell(1000) == 10


@pytest.mark.parametrize(("step", "cells", "said"), [(1000, 30, "1         10        100"), (5, 4, "1"), (1, 1, "1")])
def test_powers_of_ten_stand_under_their_columns(step: int, cells: int, said: str) -> None:
    assert Axis.up_to(step, cells).labels() == said
    assert len(Axis.up_to(step, cells).labels()) <= cells


@pytest.mark.parametrize("cells", [1, 3, 10, 33, 80])
@pytest.mark.parametrize("step", [1, 10, 4000, 2_000_000, 10**12])
def test_labels_never_run_into_each_other(step: int, cells: int) -> None:
    axis = Axis.up_to(step, cells)
    for label in axis.labels().split():
        assert label.rstrip("kMG").startswith("1")
        assert len(label) <= 5


def test_a_column_without_an_evaluation_goes_on_from_the_one_before_and_the_future_is_blank() -> None:
    cells = sample([0.0, 0.5, 0.7, 0.9], [0, 1, 1, 10], Axis.up_to(1000, 6))
    assert cells[0] == pytest.approx(0.4)  # all that fall into one column
    assert cells[1] == cells[0]
    assert cells[2] == 0.9
    assert cells[3:] == [None, None, None]


def test_what_was_no_number_is_marked() -> None:
    cells = sample([None, 0.5], [1, 100], Axis.up_to(1000, 3))
    assert math.isnan(cells[0] or 0)
    assert draw(cells) == ["!!▄"]


def test_a_column_is_full_at_the_threshold_and_never_before() -> None:
    assert draw([0.989, 0.99, 1.0, 0.95], threshold=0.99) == ["▇██▇"]
    assert draw([0.95], threshold=0.95) == ["█"]
    assert draw([0.989, 0.99], height=2, threshold=0.99) == ["▇█", "██"]


def test_nothing_learned_is_a_line_and_not_a_gap() -> None:
    assert draw([0.0, None]) == ["▁ "]
    assert draw([0.0, None], height=3) == ["  ", "  ", "▁ "]


def test_taller_curves_grow_from_the_ground_and_never_fall_as_accuracy_rises() -> None:
    for height in (1, 2, 3, 4):
        shown = [draw([share / 200], height=height) for share in range(201)]
        heights = [sum(" ▁▂▃▄▅▆▇█".index(line) for line in column) for column in shown]
        assert heights == sorted(heights)
        assert (heights[0], heights[-1]) == (1, 8 * height)


def test_a_terminal_without_block_elements_gets_ascii() -> None:
    text = draw([0.0, 0.3, 0.6, 0.9, 1.0, None, math.nan], unicode=False)[0]
    assert text.isascii()
    assert len(set(text[:5])) == 5
