"""Which entries took a record, in which unit and on which machine, and who beat them.

An entry takes a record if its median is below the record's and the exact permutation test of the two samples of seeds
says that this is not chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from grokcore.leaderboard.entry import Figures, StoredEntry, Unit
from grokcore.leaderboard.track import added_data, track_of

LEVEL = 0.05
"""Largest two-sided p at which a lower median is a record."""

UNITS: tuple[Unit, ...] = get_args(Unit)
_OF_A_MACHINE = frozenset({"cpu_seconds", "gpu_seconds"})


@dataclass(frozen=True)
class Category:
    """Entries that are ranked together.

    Attributes:
        data: training data that were added to the preset's, as `task.identity true`; empty where there are none.
        machine: the one that seconds were measured on; None in units that no machine changes.
    """

    preset: str
    split: str
    data: str
    unit: Unit
    machine: str | None


@dataclass(frozen=True)
class Standing:
    """An entry in one category.

    Attributes:
        p: of the test against the record that held when it came; None for the first entry.
        record: whether it took the record.
        beaten_by: the entry that took the record from it; None while it holds it, or if it never did.
    """

    stored: StoredEntry
    figures: Figures
    p: float | None
    record: bool
    beaten_by: StoredEntry | None = None


def categories(entries: Sequence[StoredEntry]) -> list[Category]:
    """Return all categories that have an entry, by preset, split, added data, unit and machine."""
    found = {category_of(stored, unit) for stored in entries for unit in stored.entry.figures}
    return sorted(found, key=lambda one: (one.preset, one.split, one.data, UNITS.index(one.unit), one.machine or ""))


def category_of(stored: StoredEntry, unit: Unit) -> Category:
    entry = stored.entry
    data = added_data(stored.recipe, track_of(entry.preset, entry.split))
    return Category(entry.preset, entry.split, data, unit, entry.machine if unit in _OF_A_MACHINE else None)


def standings(entries: Sequence[StoredEntry], category: Category) -> list[Standing]:
    """Return the history of a category in the order in which entries were added."""
    taking_part = [
        stored
        for stored in sorted(entries, key=lambda stored: (stored.entry.added, stored.name))
        if category.unit in stored.entry.figures and category_of(stored, category.unit) == category
    ]
    history: list[Standing] = []
    holder: int | None = None
    for stored in taking_part:
        mine = stored.entry.figures[category.unit]
        p = None if holder is None else p_of_difference(mine.values, history[holder].figures.values)
        record = holder is None or (mine.median < history[holder].figures.median and p is not None and p <= LEVEL)
        if record and holder is not None:
            beaten = history[holder]
            history[holder] = Standing(beaten.stored, beaten.figures, beaten.p, beaten.record, stored)
        history.append(Standing(stored, mine, p, record))
        holder = len(history) - 1 if record else holder
    return history


def p_of_difference(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p of the log-rank permutation test of two samples of times, all of which were reached."""
    import numpy as np

    from grokcore.evaluation.survival.permutation import PermutationTest, Sample

    times = np.log([*one, *other])
    setting = np.array([1.0] * len(one) + [0.0] * len(other))
    horizon = np.full(len(times), math.log(max(*one, *other)))
    return PermutationTest([Sample(setting, times, np.ones(len(times), dtype=bool), horizon)]).p()
