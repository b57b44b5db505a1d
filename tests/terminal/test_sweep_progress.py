"""The status line of a sweep."""

from __future__ import annotations

import io
from typing import Any

from grokcore.errors import InputError, StoppedError
from grokcore.terminal.sweep_progress import SweepProgress, sweep_line
from grokcore.training import TrainResult


def line(step: int, rate: float | None = 10.0) -> dict[str, Any]:
    return {
        "step": step,
        "train": {"accuracy": 1.0},
        "splits": {"test_inferred_ood": {"accuracy": 0.412}},
        "phases": {"memorized": None, "test_inferred_ood": {"onset": None, "sustained": None, "collapsed": None}},
        "clock": {"steps_per_second": rate},
    }


def progress(stream: io.StringIO | None = None, **costs: float) -> SweepProgress:
    made = SweepProgress(stream, quiet_seconds=0)
    made.expect({name: (f"point {name}", 1000, cost) for name, cost in costs.items()})
    return made


def text(shown: SweepProgress, width: int = 200) -> str:
    return sweep_line(list(shown._runs.values()), "runs", 2, width)


def test_counts_time_left_and_the_running_ones() -> None:
    shown = progress(a=1.0, b=1.0, c=1.0, d=2.0)
    assert text(shown) == "2/6 runs done, 4 waiting"
    for name in "ab":
        shown.begin(name)
    shown.show("a", line(500))
    # a has 50 s to go, b and c 100 each, d twice as many, and two go on side by side.
    left = "3:45 left"
    assert text(shown) == f"2/6 runs done, 2 running, 2 waiting  {left}  point a 500/1000 1.000 0.412"
    assert text(shown, 50) == f"2/6 runs done, 2 running, 2 waiting  {left}", "as much as fits"


def test_the_longest_run_is_waited_for() -> None:
    shown = progress(a=1.0, b=1.0)
    for name, step in (("a", 0), ("b", 990)):
        shown.begin(name)
        shown.show(name, line(step))
    assert "1:40 left" in text(shown)


def test_ends_stay_and_failures_are_counted() -> None:
    stream = io.StringIO()
    shown = progress(stream, a=1.0, b=1.0, c=1.0)
    for name in "abc":
        shown.begin(name)
        shown.show(name, line(1000))
    shown.end("a", TrainResult("place", "budget_steps", 1000))
    shown.end("b", InputError("no room"))
    shown.end("c", StoppedError("stopped at step 10"))
    shown.close()
    said = stream.getvalue().splitlines()
    assert "done  point a: budget_steps after 1000 steps  train 1.000  ood 0.412" in said
    assert "failed  point b: no room" in said
    assert "saved  point c: stopped at step 10" in said
    assert said[-1] == "1/3 runs done, 1 failed"


def test_without_a_stream_nothing_is_shown() -> None:
    shown = progress(a=1.0)
    shown.begin("a")
    shown.show("a", line(1))
    shown.tell("a remark")
    shown.end("a", TrainResult("place", "budget_steps", 1000))
    shown.close()
