"""A long journal is watched in memory that does not grow with it."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grokcore.runs.follow import follow, tail_of
from grokcore.runs.journal import encode
from grokcore.storage import FileStore, Store, open_store
from grokcore.terminal.history import MOST_LINES, History


def lines(number: int, *, first: int = 1) -> Iterator[dict[str, Any]]:
    for step in range(first, first + number):
        accuracy = 0.9 if step == 300 else 0.5
        yield {
            "step": step,
            "examples": step,
            "epoch": 0.1,
            "flops": 1.0,
            "train": {"accuracy": 1.0, "loss": 0.1},
            "splits": {"test": {"accuracy": accuracy, "loss": 0.1}},
            "phases": {
                "memorized": 100 if step >= 200 else None,
                "test": {"onset": None, "sustained": None, "collapsed": None},
            },
            "clock": {"elapsed_seconds": 1.0, "steps_per_second": 10.0},
        }


def write(run: Path, number: int) -> int:
    run.mkdir(exist_ok=True)
    with (run / "metrics.jsonl").open("wb") as file:
        for line in lines(number):
            file.write(encode(line))
    return (run / "metrics.jsonl").stat().st_size


def peak_of_following(run: Path) -> int:
    tracemalloc.start()
    history, seen = History(), 0
    for line in follow(open_store(run), lambda: True):
        history.add(line)
        seen += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert history.lines[-1]["step"] == seen
    assert len(history.lines) <= MOST_LINES
    return peak


def test_memory_does_not_grow_with_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[tail_of.__module__], "PART_BYTES", 1 << 18)
    monkeypatch.setattr("grokcore.terminal.history.MOST_LINES", 1000)
    assert write(tmp_path / "short", 5_000) > 1.5 * (1 << 18)
    write(tmp_path / "long", 20_000)
    assert peak_of_following(tmp_path / "long") < 1.3 * peak_of_following(tmp_path / "short")


def test_a_thinned_history_keeps_peaks_and_phases() -> None:
    history = History()
    for line in lines(30_000):
        history.add(line)
    kept = {line["step"]: line for line in history.lines}
    assert len(kept) <= MOST_LINES
    assert kept[300]["splits"]["test"]["accuracy"] == 0.9
    assert 200 in kept, "when a phase was first on record"
    assert list(kept) == sorted(kept)
    assert list(kept)[-500:] == list(range(29_501, 30_001))


@pytest.mark.parametrize("grown", [1, 40_000])
def test_a_long_journal_is_given_part_by_part_each_line_once(grown: int, store_uri: str) -> None:
    store = open_store(store_uri)
    store.write("metrics.jsonl", b"".join(map(encode, lines(30_000))))
    tail, found = tail_of(store), []

    def look() -> int:
        parts = 0
        while True:
            given, again = tail()
            assert again == (not found and bool(given))
            found.extend(line["step"] for line in given)
            parts += 1
            if not tail.behind:
                return parts

    assert look() > 1
    store.write("metrics.jsonl", b"".join(map(encode, lines(30_000 + grown))) + b'{"step"')
    if store.directory is None:  # elsewhere a new file is a new journal
        look()
        assert found == list(range(1, 30_001 + grown))


def test_what_is_cut_back_in_a_long_journal_is_followed_from_where_it_goes_on(tmp_path: Path) -> None:
    write(tmp_path, 30_000)
    looks = 0

    def finished() -> bool:
        nonlocal looks
        looks += 1
        if looks == 10:  # a resumed run puts the lines of its checkpoint, then goes on
            (tmp_path / "new").write_bytes(b"".join(map(encode, lines(29_000))))
            (tmp_path / "new").replace(tmp_path / "metrics.jsonl")
        if looks == 20:
            with (tmp_path / "metrics.jsonl").open("ab") as file:
                file.writelines(map(encode, lines(10, first=29_001)))
        return looks > 30

    seen = [line["step"] for line in follow(FileStore(tmp_path), finished, poll_seconds=0.001)]
    assert seen == [*range(1, 30_001), *range(29_001, 29_011)]


class Counting(FileStore):
    asked = 0

    @property
    def directory(self) -> Any:
        return None  # followed as on object storage

    def read(self, key: str) -> bytes:
        content = super().read(key)
        Counting.asked += len(content)
        return content

    def read_end(self, key: str, size: int) -> bytes:
        content = super().read_end(key, size)
        Counting.asked += len(content)
        return content


def test_of_a_grown_object_its_end_alone_is_read(tmp_path: Path) -> None:
    store: Store = Counting(tmp_path)
    content = b"".join(map(encode, lines(2_000)))
    store.write("metrics.jsonl", content)
    tail = tail_of(store)
    assert len(tail()[0]) == 2_000
    for step in range(2_001, 2_101):
        Counting.asked = 0
        content += encode(next(lines(1, first=step)))
        store.write("metrics.jsonl", content)
        given, again = tail()
        assert ([line["step"] for line in given], again) == ([step], False)
        assert Counting.asked < 6_000
    store.write("metrics.jsonl", b"".join(map(encode, lines(3))))
    assert ([line["step"] for line in tail()[0]]) == [1, 2, 3]
    assert json.loads(io.BytesIO(content).readline())["step"] == 1
