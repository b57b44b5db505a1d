"""Derive which comparisons follow from stated ones, with known values and without.

Entities are numbered 0 .. n-1; their true values only tell how a stated pair compares, and in which order to look.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grokcore.tasks.random import Indices

Bools = npt.NDArray[np.bool_]


def follows_by_chaining(values: Indices, unknown: Indices, between: tuple[Indices, Indices]) -> tuple[Bools, Bools]:
    """Return which pairs of entities without known values follow from comparisons with entities of known values.

    x < y follows from x < a or x = a, v(a) <= v(b), and b < y or b = y, one of them strictly. In half steps, with
    U(x) the least of 2 v(a) - 1 over x < a and 2 v(a) over x = a, and L(y) the greatest of 2 v(b) + 1 over b < y and
    2 v(b) over b = y, that is U(x) < L(y). x = y follows from x = a, v(a) = v(b), b = y.

    Args:
        values: (n,) the true values.
        unknown: (m,) the entities without known values.
        between: the stated pairs: entities with known values, and entities without.

    Returns:
        (m, m) whether x is smaller than y; (m, m) whether they are equal and two.
    """
    known, other = between
    side = np.sign(values[other] - values[known])
    most = 2 * int(values.max(initial=0)) + 2
    upper, lower = np.full(len(values), most), np.full(len(values), -1)
    np.minimum.at(upper, other[side <= 0], (2 * values[known] + side)[side <= 0])
    np.maximum.at(lower, other[side >= 0], (2 * values[known] + side)[side >= 0])
    exact = np.zeros(len(values), bool)
    exact[other[side == 0]] = True
    smaller: Bools = upper[unknown][:, np.newaxis] < lower[unknown]
    both = exact[unknown][:, np.newaxis] & exact[unknown]
    return smaller, both & (values[unknown][:, np.newaxis] == values[unknown]) & ~np.eye(len(unknown), dtype=bool)


def follows_from_comparisons(values: Indices, unknown: Indices, stated: tuple[Indices, Indices]) -> tuple[Bools, Bools]:
    """Return which pairs follow from stated comparisons alone: their transitive closure over entities of any kind.

    Args:
        values: (n,) the true values.
        unknown: (m,) the entities between which it is asked.
        stated: pairs of entities whose comparison is stated.

    Returns:
        (m, m) whether x is smaller than y; (m, m) whether they are equal and two.
    """
    first, second = stated
    equal = values[first] == values[second]
    group = joined(len(values), first[equal], second[equal])
    smaller = np.where(values[first] < values[second], first, second)[~equal]
    greater = np.where(values[first] < values[second], second, first)[~equal]
    edge = np.zeros((len(values), len(values)), np.float32)
    edge[group[smaller], group[greater]] = 1
    # Whatever is above a group has a greater value: one pass in ascending order of values finds all paths.
    reached = np.zeros((len(unknown), len(values)), np.float32)
    sources = group[unknown]
    reached[np.arange(len(unknown)), sources] = 1
    for value in np.unique(values):
        here, below = np.flatnonzero(values == value), np.flatnonzero(values < value)
        reached[:, here] += reached[:, below] @ edge[np.ix_(below, here)] > 0
    above: Bools = (reached[:, sources] > 0) & (sources[:, np.newaxis] != sources)
    same: Bools = (sources[:, np.newaxis] == sources) & ~np.eye(len(unknown), dtype=bool)
    return above, same


def joined(count: int, first: Indices, second: Indices) -> Indices:
    """(count,) for each number the smallest one that the given pairs join it to."""
    group = np.arange(count)
    while True:
        smallest = np.minimum(group[first], group[second])
        updated = group.copy()
        np.minimum.at(updated, first, smallest)
        np.minimum.at(updated, second, smallest)
        updated = updated[updated]
        if np.array_equal(updated, group):
            return group
        group = updated
