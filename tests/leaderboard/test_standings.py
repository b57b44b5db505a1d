"""Who holds a record: the lower median, where it is no chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from grokcore.leaderboard.entry import Figures, StoredEntry, Unit
from grokcore.leaderboard.pages import overview
from grokcore.leaderboard.standings import categories, p_of_difference, standings

SLOW = [1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700]
FASTER = [500, 550, 600, 650, 700, 750, 800, 850]
A_BIT = [980, 1090, 1190, 1310, 1390, 1480, 1590, 1690]


def named(
    entry: StoredEntry, name: str, day: int, values: list[int], *, unit: Unit = "steps", processor: str = "CPU"
) -> StoredEntry:
    """The entry with other times, as if its runs had ended on another day."""
    runs = tuple(run.model_copy(update={"finished": f"2026-12-{day:02}T00:00:00Z"}) for run in entry.entry.runs)
    conditions = entry.entry.conditions.model_copy(
        update={"hardware": {**entry.entry.conditions.hardware, "processor": processor}}
    )
    changed = entry.entry.model_copy(
        update={"runs": runs, "figures": {unit: Figures.of(values)}, "conditions": conditions}
    )
    return replace(entry, folder=Path(name), entry=changed)


def test_a_record_stands_until_a_lower_median_that_is_no_chance(entry: StoredEntry) -> None:
    entries = [
        named(entry, "third", 3, FASTER),
        named(entry, "first", 1, SLOW),
        named(entry, "second", 2, A_BIT),
        named(entry, "fourth", 4, SLOW),
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


def test_seconds_are_ranked_by_machine_and_steps_are_not(entry: StoredEntry) -> None:
    seconds = [named(entry, f"on-{name}", 1, SLOW, unit="gpu_seconds", processor=name) for name in ("A", "B")]
    instructions = entry.entry.conditions.hardware["instructions"]
    machines = [category.machine for category in categories(seconds)]
    assert machines == [f"{name}, {instructions}, 1 thread" for name in ("A", "B")]
    steps = [named(entry, f"on-{name}", 1, SLOW, processor=name) for name in ("A", "B")]
    assert [category.machine for category in categories(steps)] == [None]


def test_without_entries_the_page_says_so() -> None:
    assert overview([]).endswith("There is no entry yet.\n")
