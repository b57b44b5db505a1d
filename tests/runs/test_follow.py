"""A journal is followed as it grows, whatever happens to it, its run, or its store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grokcore.errors import InputError, TransientError
from grokcore.runs import Journal
from grokcore.runs.follow import follow
from grokcore.storage import Store, open_store
from tests.support.checks import PATIENCE


def line(step: int) -> dict[str, Any]:
    return {
        "step": step,
        "examples": 8 * step,
        "epoch": 0.1,
        "flops": 1.0,
        "train": {"accuracy": 1.0, "loss": 0.1},
        "splits": {"test": {"accuracy": 0.5, "loss": 0.1}},
        "phases": {"memorized": None, "test": {"onset": None, "sustained": None, "collapsed": None}},
        "clock": {"elapsed_seconds": 1.0, "steps_per_second": 10.0},
    }


def test_following_a_live_journal_yields_each_line_once_and_survives_a_resume(tmp_path: Path) -> None:
    store, path = open_store(tmp_path), tmp_path / "metrics.jsonl"
    written, done, seen = threading.Semaphore(0), threading.Event(), []

    def watch() -> None:
        for entry in follow(open_store(tmp_path), done.is_set, poll_seconds=0.01):
            seen.append(entry["step"])
            written.release()

    watcher = threading.Thread(target=watch)
    watcher.start()

    def append(*steps: int, after: bytes = b"") -> None:
        journal = Journal(store, after)
        for step in steps:
            journal.append(line(step))
        journal.close()
        for _ in steps:
            assert written.acquire(timeout=PATIENCE)

    append(1, 2, 3)
    with path.open("ab") as file:
        file.write(b'{"step": 4')  # torn by a crash
    append(4, 5, after=b"".join(path.read_bytes().splitlines(keepends=True)[:2]))  # as a resumed run does
    done.set()
    watcher.join(timeout=PATIENCE)
    assert seen == [1, 2, 3, 4, 5]


def steps(run: Store, finished: Callable[[], bool], **options: Any) -> list[int]:
    return [line["step"] for line in follow(run, finished, poll_seconds=0.001, **options)]


def finished_after(calls: int, then: Callable[[int], None] = lambda call: None) -> Callable[[], bool]:
    """Says after so many calls that no more will come; `then` is what happens meanwhile."""
    made = []

    def finished() -> bool:
        then(len(made))
        made.append(True)
        return len(made) >= calls

    return finished


def test_a_journal_that_is_put_whole_yields_each_line_once(store_uri: str) -> None:
    run = open_store(store_uri)

    def grow(call: int) -> None:
        if call % 2:
            Journal(run, b"").close()
            journal = Journal(run)
            for step in range(1, call + 2):
                journal.append(line(step))
            journal.close()

    assert steps(run, finished_after(6, grow)) == [1, 2, 3, 4, 5, 6]


def test_a_store_out_of_reach_is_said_once_and_asked_again(store_uri: str) -> None:
    run = open_store(store_uri)
    told: list[str] = []
    journal = Journal(run)
    journal.append(line(1))
    journal.close()

    calls: list[bool] = []

    def finished() -> bool:
        calls.append(True)
        if 1 < len(calls) < 6:
            raise TransientError("the store does not answer")
        return len(calls) > 8

    assert steps(run, finished, notify=told.append) == [1]
    assert len(told) == 2
    assert told[0].startswith("the store does not answer; trying again every")
    assert told[1] == f"{run} can be reached again"


def test_silence_is_said_at_growing_intervals(tmp_path: Path) -> None:
    told: list[str] = []
    steps(open_store(tmp_path), lambda: len(told) == 3, notify=told.append, silence_seconds=0.001)
    assert len(told) == 3
    assert all("is the run still being trained?" in remark for remark in told)


def test_a_damaged_line_is_one_line(store_uri: str) -> None:
    run = open_store(store_uri)
    run.write("metrics.jsonl", b'{"step": 1, "train": 5, "splits": {}, "phases": {}, "clock": {}}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl is damaged at step 1: .*"):
        steps(run, lambda: True)
