"""A journal is followed as it grows, whatever happens to it, its run, or its store."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from grokcore.storage import open_store
from grokcore.telemetry import Journal, follow


def line(step: int) -> dict[str, Any]:
    return {
        "step": step,
        "examples": 8 * step,
        "epoch": 0.1,
        "flops": 1.0,
        "train": {"accuracy": 1.0, "loss": 0.1},
        "splits": {"test": {"accuracy": 0.5, "loss": 0.1}},
        "phases": {"memorized": None, "test": {"onset": None, "grokked": None, "collapsed": None}},
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

    def append(*steps: int) -> None:
        journal = Journal(store, path.read_bytes() if path.exists() else b"")
        for step in steps:
            journal.append(line(step))
        journal.close()
        for _ in steps:
            assert written.acquire(timeout=10)

    append(1, 2, 3)
    with path.open("ab") as file:
        file.write(b'{"step": 4')  # torn by a crash
    Journal(store, b"".join(path.read_bytes().splitlines(keepends=True)[:2])).close()  # as a resumed run does
    append(4, 5)
    done.set()
    watcher.join(timeout=10)
    assert seen == [1, 2, 3, 4, 5]
