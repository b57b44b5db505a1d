"""The step axis, the marks on it, and which points and styles the curves get."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from grokcore.reporting.axis import step_axis
from grokcore.reporting.entries import entries_of
from grokcore.reporting.marks import Mark, marks_of, slots
from grokcore.reporting.read import Measure, read_runs
from grokcore.reporting.series import drawn_lines, entry_styles, series_of, split_styles
from tests.reporting.synthetic_runs import modular

Write = Callable[..., Path]


def test_step_0_stands_left_of_all_other_steps_and_is_labelled() -> None:
    axis = step_axis([0, 1, 10, 4000])
    left, right = axis.limits
    assert left < axis.position(0) < axis.divide < axis.position(1)
    assert axis.position(4000) < right
    assert axis.ticks[0] == (axis.position(0), "0")
    assert [label for _, label in axis.ticks] == ["0", "1", "10", "100", "1,000"]


def test_an_axis_without_step_0_has_no_place_for_it() -> None:
    axis = step_axis([200, 400, 900])
    assert not axis.has_zero
    assert [label for _, label in axis.ticks] == ["200", "500"]


@pytest.mark.parametrize("steps", [[0], [7], [0, 1], [1_000_000]])
def test_an_axis_of_a_single_step_still_has_an_extent(steps: list[int]) -> None:
    axis = step_axis(steps)
    left, right = axis.limits
    assert 0 < left < axis.position(steps[0]) < right
    assert axis.ticks
    assert all(left <= place <= right for place, _ in axis.ticks)


def test_shares_run_from_0_to_1_over_the_logarithm() -> None:
    axis = step_axis([1, 10, 100])
    assert 0 < axis.share(1) < axis.share(10) < axis.share(100) < 1
    assert axis.share(10) == pytest.approx((axis.share(1) + axis.share(100)) / 2)


def test_labels_of_marks_at_one_step_take_different_places() -> None:
    axis = step_axis([0, 1, 4000])
    marks = [Mark("memorised", 500, 400, None), Mark("onset", 500, None, "a"), Mark("onset", 505, None, "b")]
    assert len({(slot.side, slot.tier) for slot in slots(marks, axis)}) == 3


def test_a_label_stands_on_the_side_where_no_other_line_runs() -> None:
    marks = [Mark("memorised", 229, 208, None), Mark("onset", 252, None, "test")]
    assert [(slot.side, slot.tier) for slot in slots(marks, step_axis([0, 1, 1315]))] == [("left", 0), ("right", 0)]


def test_marks_tell_grokked_from_generalised_and_keep_collapses(run: Write) -> None:
    grokked, generalised, collapsed, never = read_runs(
        [
            run(recipe=modular(name="late")),
            run(recipe=modular(name="along", midpoints=(("test", 130),))),
            run(recipe=modular(name="lost", collapse_at=3600)),
            run(recipe=modular(name="along and lost", midpoints=(("test", 130),), collapse_at=3600)),
        ]
    )
    assert [mark.kind for mark in marks_of(grokked)] == ["memorised", "onset", "grokked"]
    assert "generalised" in [mark.kind for mark in marks_of(generalised)]
    assert "grokked" not in [mark.kind for mark in marks_of(generalised)]
    assert [mark.kind for mark in marks_of(collapsed)][-2:] == ["grokked", "collapsed"]
    assert [mark.kind for mark in marks_of(never)][-2:] == ["generalised", "collapsed"]


def test_a_training_set_of_one_split_is_drawn_once(run: Write) -> None:
    assert [one.title for one in series_of(read_runs([run(recipe=modular())]))] == ["training set", "test"]


def test_held_out_splits_come_right_after_the_training_set(run: Write) -> None:
    titles = [one.title for one in series_of(read_runs([run()]))]
    assert titles[:4] == ["training set", "test_inferred_iid", "test_inferred_ood", "test_inferred_mixed"]
    assert set(titles[4:]) == {"id_atomic", "ood_atomic", "train_inferred"}


def test_every_curve_of_a_report_looks_different(run: Write) -> None:
    runs = read_runs([run(f"run {number}") for number in range(20)])
    assert len({(style.colour, style.dash) for style in entry_styles(entries_of(runs))}) == 20
    styles = split_styles(series_of(runs))
    assert len({(style.colour, style.dash) for style in styles}) == len(styles)


def test_thinning_keeps_the_ends_and_a_dip_of_a_single_evaluation(run: Write) -> None:
    (view,) = read_runs([run(recipe=modular(steps=20_000, interval=20))])
    place = len(view.journal) // 2
    dip = view.journal[place].model_copy(update={"splits": {"test": Measure(accuracy=0.05)}})
    view = dataclasses.replace(view, journal=(*view.journal[:place], dip, *view.journal[place + 1 :]))
    drawn = drawn_lines(view, series_of([view]), 120)
    assert len(drawn) <= 140 < len(view.journal)
    assert dip in drawn
    assert drawn[0].step == 0
    assert drawn[-1].step == 20_000
    assert [line.step for line in drawn] == sorted(line.step for line in drawn)


def test_a_short_journal_is_drawn_whole(run: Write) -> None:
    (view,) = read_runs([run()])
    assert drawn_lines(view, series_of([view]), 10_000) == list(view.journal)
