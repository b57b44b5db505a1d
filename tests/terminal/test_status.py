"""A run in a line, and what has become known of it, in words."""

from __future__ import annotations

from typing import Any

import pytest

from grokcore.terminal.status import phase_events, progress_line


def line(step: int, memorized: int | None = None, sustained: int | None = None) -> dict[str, Any]:
    return {
        "step": step,
        "train": {"accuracy": 1.0},
        "splits": {"test_inferred_ood": {"accuracy": 0.5}},
        "phases": {
            "memorized": memorized,
            "test_inferred_ood": {"onset": None, "sustained": sustained, "collapsed": None},
        },
        "clock": {"steps_per_second": 10.0},
    }


def test_a_line_says_where_the_run_stands() -> None:
    text = progress_line(line(400), 1000, 200)
    assert text == "step  400/1000  train 1.000  ood 0.500  10 steps/s  1:00 left"


@pytest.mark.parametrize("width", [10, 20, 40, 80])
def test_a_line_fits_the_window(width: int) -> None:
    assert 0 < len(progress_line(line(400), 1000, width)) <= width


def test_a_phase_is_told_once() -> None:
    assert phase_events({}, line(5, memorized=5)["phases"]) == ["* training set memorized at step 5"]
    assert phase_events(line(5, memorized=5)["phases"], line(9, memorized=5)["phases"]) == []
    events = phase_events(line(5, memorized=5)["phases"], line(30, memorized=5, sustained=20)["phases"])
    assert events == ["* test_inferred_ood: sustained at step 20, 4.0 x the time to memorize"]
