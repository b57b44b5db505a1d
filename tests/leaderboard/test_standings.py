"""Who holds a record: the lower median, where it is no chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.leaderboard.entry import Entry, Figures, SeedRun, StoredEntry, Unit
from grokcore.leaderboard.pages import overview
from grokcore.leaderboard.standings import categories, p_of_difference, standings
from grokcore.runs.manifest import Conditions
from grokcore.runs.seal import digest_of
from grokcore.spec import load_spec

SLOW = [1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700]
FASTER = [500, 550, 600, 650, 700, 750, 800, 850]
A_BIT = [980, 1090, 1190, 1310, 1390, 1480, 1590, 1690]


def made_up(
    name: str, day: int, values: list[int], *overrides: str, unit: Unit = "steps", processor: str = "CPU"
) -> StoredEntry:
    """An entry of `composition-small` with these times, added on a day of December 2026."""
    hardware = {"processor": processor, "instructions": "AVX512", "threads": 1, "gpu": None, "processes": 1}
    run = {"run_id": "0", "started": "-", "attempts": 1, "exit_reason": "grokked", "journal": digest_of(b"")}
    entry = Entry(
        preset="composition-small",
        split="test_inferred_ood",
        title=name,
        added=f"2026-12-{day:02}T00:00:00Z",
        trials=0,
        flops_per_step=1.0,
        flops_of_method=0.0,
        vocabulary_size=1,
        tokens=1,
        parameters=1,
        conditions=Conditions(versions={}, hardware=hardware, git=None),
        runs=tuple(SeedRun(seed=seed, finished="-", **run) for seed in range(len(values))),
        figures={unit: Figures.of(values)},
    )
    return StoredEntry(Path(name), entry, load_spec("composition-small", overrides), {})


def test_a_record_stands_until_a_lower_median_that_is_no_chance() -> None:
    entries = [
        made_up("third", 3, FASTER),
        made_up("first", 1, SLOW),
        made_up("second", 2, A_BIT),
        made_up("fourth", 4, SLOW),
    ]
    (category,) = categories(entries)
    history = standings(entries, category)
    assert [standing.stored.name for standing in history] == ["first", "second", "third", "fourth"]
    assert [standing.record for standing in history] == [True, False, True, False]
    assert history[0].beaten_by is not None
    assert history[0].beaten_by.name == "third"
    assert history[2].beaten_by is None
    assert history[1].p is not None
    assert history[1].p > 0.5
    page = overview(entries)
    assert "record until 2026-12-03, beaten by third" in page
    assert "| **record**, p = 0.00016 against the record before |" in page
    assert page.count("no record: p = ") == 2


def test_the_test_is_exact() -> None:
    """Of the 12,870 ways to divide 16 runs, this one and its mirror image are as far apart."""
    assert p_of_difference(FASTER, SLOW) == pytest.approx(2 / 12_870)
    assert p_of_difference(SLOW, SLOW) == 1


def test_seconds_are_ranked_by_machine_and_steps_are_not() -> None:
    seconds = [made_up(f"on-{name}", 1, SLOW, unit="gpu_seconds", processor=name) for name in ("A", "B")]
    machines = [category.machine for category in categories(seconds)]
    assert machines == ["A, AVX512, 1 thread", "B, AVX512, 1 thread"]
    steps = [made_up(f"on-{name}", 1, SLOW, processor=name) for name in ("A", "B")]
    assert [category.machine for category in categories(steps)] == [None]


def test_entries_with_added_data_are_ranked_apart() -> None:
    entries = [made_up("plain", 1, SLOW), made_up("rows", 2, FASTER, "task.identity=true")]
    assert [category.data for category in categories(entries)] == ["", "task.identity true"]
    page = overview(entries)
    assert page.count("**record**") == 2
    assert "## composition-small: .99 on test_inferred_ood, with task.identity true\n" in page


def test_without_entries_the_page_says_so() -> None:
    assert overview([]).endswith("There is no entry yet.\n")
