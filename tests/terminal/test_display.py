"""A run on a stream: plain lines in a pipe, and whoever trains never waits for it."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import pytest

from grokcore.telemetry.sinks import FAILURES
from grokcore.terminal.display import RunDisplay
from grokcore.terminal.plain import worth_telling
from grokcore.terminal.text import Appearance
from tests.support.checks import PATIENCE
from tests.terminal.runs import OOD, grokking, line, write


def piped(run: Path, lines: list[dict[str, Any]], *, max_steps: int = 4000) -> list[str]:
    stream = io.StringIO()
    display = RunDisplay(stream, write(run, []), max_steps=max_steps)
    for entry in lines:
        display.show(entry)
    display.close()
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    return stream.getvalue().splitlines()


def test_a_pipe_gets_what_is_worth_telling_and_the_last_line_always(tmp_path: Path) -> None:
    quiet = [line(step, clock={"elapsed_seconds": step / 1000}) for step in range(1000, 1100)]
    shown = piped(tmp_path, quiet)
    assert [text.split()[1] for text in shown] == ["1000/4000", "1099/4000"]


def test_phases_are_told_once_each_beside_the_line_that_shows_them(tmp_path: Path) -> None:
    shown = piped(tmp_path, grokking())
    events = [text for text in shown if text.startswith("*")]
    assert events == [
        "* training set memorized at step 200",
        f"* {OOD}: generalization sets in at step 800",
        f"* {OOD}: sustained at step 2000, 10.0 x the time to memorize",
    ]
    assert shown[shown.index(events[2]) - 1].startswith("step 2200/4000  train 1.000  ood 1.000")


def test_behavior_is_told_once(tmp_path: Path) -> None:
    flat = [line(step, 1.0, 0.5, memorized=100) for step in (*range(100, 200, 10), *range(200, 4001, 100))]
    shown = piped(tmp_path, flat)
    assert [text for text in shown if text.startswith("!")] == [f"! {OOD}: gives no sign that it will grok"]


@pytest.mark.parametrize(
    ("later", "worth"),
    [
        (line(1050), False),
        (line(1050, 1.0, 0.53), True),
        (line(1050, 0.97), True),
        (line(1050, None), True),
        (line(1100), True),
        (line(1050, clock={"elapsed_seconds": 160.0}), True),
    ],
)
def test_a_line_is_worth_telling_when_something_has_moved_or_time_has_passed(
    later: dict[str, Any], worth: bool
) -> None:
    assert worth_telling(line(1000), later) is worth


def test_a_long_run_is_told_in_some_hundred_lines(tmp_path: Path) -> None:
    lines = [line(step, clock={"elapsed_seconds": step / 1e5}) for step in range(0, 200_001, 100)]
    assert 50 < len(piped(tmp_path, lines, max_steps=200_000)) < 150


def test_remarks_come_in_their_place_in_one_line(tmp_path: Path) -> None:
    stream = io.StringIO()
    display = RunDisplay(stream, write(tmp_path, []), max_steps=10)
    display.show(line(1))
    display.tell("a checkpoint\ncould not be saved")
    display.show(line(9))
    display.close()
    assert [text[:20] for text in stream.getvalue().splitlines()] == [
        "step  1/10  train 1.",
        "grokcore: a checkpoi",
        "step  9/10  train 1.",
    ]


@contextmanager
def pipe() -> Iterator[tuple[int, TextIO]]:
    """Where nobody reads unless the test does: the reading end, and a stream."""
    reading, writing = os.pipe()
    stream = open(writing, "w")  # noqa: SIM115 - closing it may fail, as its reader has gone
    try:
        yield reading, stream
    finally:
        with suppress(BrokenPipeError):
            stream.close()


def test_a_pipe_that_nobody_reads_stops_nobody(tmp_path: Path) -> None:
    with pipe() as (reading, stream):
        display = RunDisplay(stream, write(tmp_path, []), max_steps=10**6, patience=0.05)
        done = threading.Event()

        def train() -> None:
            for number in range(2000):  # a megabyte, and a pipe holds 64 KiB
                display.show(line(number))
                display.tell(500 * "remark")
            display.close()
            done.set()

        threading.Thread(target=train, daemon=True).start()
        assert done.wait(60)
        assert not display.lost
        os.close(reading)  # lets the display's thread go
        display._thread.join(PATIENCE)
        assert display.lost


def test_a_reader_that_has_gone_is_one_loss_and_no_error(tmp_path: Path) -> None:
    before = FAILURES.read().get("terminal", 0)
    with pipe() as (reading, stream):
        os.close(reading)
        display = RunDisplay(stream, write(tmp_path, []), max_steps=10)
        display.show(line(1))
        display.close()
        display.show(line(2))
        display.tell("nobody hears this")
        display.close()
        assert display.lost
    assert FAILURES.read()["terminal"] == before + 1


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "encoding", "expected"),
    [
        ({"TERM": "xterm"}, "utf-8", Appearance(True, True, True)),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "utf-8", Appearance(True, False, True)),
        ({"TERM": "xterm", "NO_COLOR": ""}, "utf-8", Appearance(True, True, True)),
        ({"TERM": "xterm"}, "ascii", Appearance(True, True, False)),
        ({"TERM": "xterm"}, "iso-8859-1", Appearance(True, True, False)),
        ({"TERM": "dumb"}, "utf-8", Appearance(False, False, True)),
        ({}, "utf-8", Appearance(False, False, True)),
    ],
)
def test_what_a_terminal_can_show_is_taken_from_it(
    environment: dict[str, str], encoding: str, expected: Appearance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Appearance.of(Terminal(io.BytesIO(), encoding=encoding)) == expected


def test_a_run_that_goes_on_shows_what_it_did_before(tmp_path: Path) -> None:
    stream = io.StringIO()
    run = write(tmp_path, grokking(1900))
    display = RunDisplay(stream, run, max_steps=4000)
    for entry in grokking()[len(grokking(1900)) :]:
        display.show(entry)
    display.close()
    assert [entry["step"] for entry in display._lines] == [entry["step"] for entry in grokking()]


def test_a_run_that_goes_back_to_a_checkpoint_is_shown_from_there(tmp_path: Path) -> None:
    display = RunDisplay(io.StringIO(), write(tmp_path, []), max_steps=4000)
    for step in (0, 100, 200, 300, 150, 250):
        display.show(line(step))
    display.close()
    assert [entry["step"] for entry in display._lines] == [0, 100, 150, 250]
