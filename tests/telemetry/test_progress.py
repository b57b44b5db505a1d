"""Progress in a terminal, in a pipe, and in a narrow window."""

from __future__ import annotations

import io
from typing import Any

import pytest

from grokcore.telemetry import Progress
from grokcore.telemetry.progress import phase_events, progress_line


def line(step: int, memorized: int | None = None, grokked: int | None = None) -> dict[str, Any]:
    return {
        "step": step,
        "train": {"accuracy": 1.0},
        "splits": {"test_inferred_ood": {"accuracy": 0.5}},
        "phases": {
            "memorized": memorized,
            "test_inferred_ood": {"onset": None, "grokked": grokked, "collapsed": None},
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
    assert phase_events({}, line(5, memorized=5)["phases"]) == ["* training set memorised at step 5"]
    assert phase_events(line(5, memorized=5)["phases"], line(9, memorized=5)["phases"]) == []
    grokked = phase_events(line(5, memorized=5)["phases"], line(30, memorized=5, grokked=20)["phases"])
    assert grokked == ["* test_inferred_ood: sustained at step 20, 4.0 x the time to memorise"]


def test_a_pipe_gets_plain_lines_and_the_last_one_always() -> None:
    stream = io.StringIO()
    progress = Progress(stream, max_steps=100, quiet_seconds=3600)
    for step in (1, 2, 3, 100):
        progress.show(line(step))
    progress.close()
    shown = stream.getvalue().splitlines()
    assert [text.split()[1] for text in shown] == ["1/100", "100/100"]
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_rewrites_one_line_and_keeps_events() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = Progress(stream, max_steps=100)
    progress.show(line(1))
    progress.show(line(2, memorized=2))
    progress.close()
    assert stream.getvalue().count("\n") == 2
    assert "* training set memorised at step 2\n" in stream.getvalue()
