"""Progress of several seeds: one line for all of them, and a line that stays for what each reaches."""

from __future__ import annotations

import io
from typing import Any

import pytest

from grokcore.terminal.seeds_progress import SeedsProgress, seeds_line


def line(step: int, ood: float | None = 0.5, memorized: int | None = None) -> dict[str, Any]:
    return {
        "step": step,
        "train": {"accuracy": 1.0},
        "splits": {"test_inferred_ood": {"accuracy": ood}},
        "phases": {
            "memorized": memorized,
            "test_inferred_ood": {"onset": None, "sustained": None, "collapsed": None},
        },
        "clock": {"steps_per_second": 10.0},
    }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_tells_median_range_rate_and_time_left_of_all_seeds() -> None:
    text = seeds_line([line(400, 0.2), line(500, 0.62), line(450, 0.3)], {"done": 2}, 8, 1000, 200)
    left = (6 * 1000 - 400 - 500 - 450) / 30  # those that wait have all their steps before them
    assert text == (
        "2/8 seeds done  step 400-500/1000  train 1.000  ood 0.300 (.20-.62)  30 steps/s  "
        f"{int(left) // 60}:{int(left) % 60:02d} left"
    )


def test_what_failed_is_counted_apart() -> None:
    assert seeds_line([], {"done": 2, "failed": 1, "stopped": 1}, 4, 1000, 200) == "2/4 seeds done, 1 failed"


def test_a_range_is_never_better_than_the_seeds_are() -> None:
    assert "ood 0.999 (.99-1.00)" in seeds_line([line(1, 0.998), line(1, 1.0)], {}, 2, 9, 200)


def test_a_seed_without_a_finite_accuracy_leaves_the_others_on_view() -> None:
    assert "ood 0.700" in seeds_line([line(1, None), line(1, 0.7)], {}, 2, 9, 200)
    assert "ood  nan" in seeds_line([line(1, None)], {}, 2, 9, 200)


@pytest.mark.parametrize("width", [5, 20, 40, 60, 80, 100])
def test_the_line_fits_the_window(width: int) -> None:
    assert 0 < len(seeds_line([line(400, 0.2), line(500, 0.6)], {"done": 2}, 8, 1000, width)) <= width


def test_a_narrow_window_gets_medians_before_ranges() -> None:
    text = seeds_line([line(400, 0.2), line(500, 0.6)], {}, 8, 1000, 70)
    assert "ood 0.400" in text
    assert "(" not in text


def test_a_pipe_gets_a_line_per_wave_of_evaluations_and_plain_text() -> None:
    stream = io.StringIO()
    progress = SeedsProgress(stream, [3, 12], max_steps=100, quiet_seconds=0)
    for step in (1, 2, 3):
        progress.show(3, line(step))
        progress.show(12, line(step, memorized=3 if step == 3 else None))
    progress.end(3, "done", "budget_steps after 100 steps", line(100, 0.9))
    progress.tell("grokcore: seed 12: a remark")
    progress.end(12, "failed", "failed: no room")
    progress.close()
    shown = stream.getvalue().splitlines()
    assert [text[:30] for text in shown] == [
        "0/2 seeds done  step 1/100  tr",
        "0/2 seeds done  step 1-2/100  ",
        "0/2 seeds done  step 2-3/100  ",
        "* seed 12: training set memori",
        "seed  3  budget_steps after 10",
        "grokcore: seed 12: a remark",
        "seed 12  failed: no room",
        "1/2 seeds done, 1 failed",
    ]
    assert shown[4].endswith("train 1.000  ood 0.900")
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_quiet_pipe_gets_the_first_line_and_the_last() -> None:
    stream = io.StringIO()
    progress = SeedsProgress(stream, [0, 1], max_steps=100, quiet_seconds=3600)
    for step in (1, 2, 100):
        for seed in (0, 1):
            progress.show(seed, line(step))
    progress.close()
    assert [text.split()[4] for text in stream.getvalue().splitlines()] == ["1/100", "100/100"]


def test_a_terminal_rewrites_one_line_and_keeps_events_above_it() -> None:
    stream = Terminal()
    progress = SeedsProgress(stream, [0, 1], max_steps=100)
    progress.show(0, line(1))
    progress.show(1, line(2, memorized=2))
    progress.tell("grokcore: seed 1: a remark")
    progress.end(0, "stopped", "stopped at step 2")
    progress.close()
    lines = [text.rpartition("\x1b[K")[2] for text in stream.getvalue().split("\n")]
    assert lines == [
        "* seed 1: training set memorized at step 2",
        "grokcore: seed 1: a remark",
        "seed 0  stopped at step 2",
        lines[3],
        "",
    ]
    assert lines[3].startswith("0/2 seeds done  step 2/100")
