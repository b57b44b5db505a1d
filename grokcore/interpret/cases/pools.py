"""Draw counterfactuals: all candidates of all rows as a matrix, and a random valid one of each row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grokcore.tasks.random import Indices, Stream

MOST = 512
"""Candidates of a row that are looked at; of more, as many are drawn at random."""
NONE = -1

Flags = npt.NDArray[np.bool_]


class Pools:
    """Items grouped by a key.

    Args:
        keys: (F,) int64, not negative, the key of each item.
    """

    def __init__(self, keys: Indices) -> None:
        self._items = np.argsort(keys, kind="stable")
        self._size = np.bincount(keys)
        self._start = np.cumsum(self._size) - self._size

    def of(self, keys: Indices, stream: Stream) -> Indices:
        """Return the items of each of N keys, (N, P), padded with -1."""
        known = (keys >= 0) & (keys < len(self._size))
        key = np.where(known, keys, 0)
        size = np.where(known, self._size[key], 0)
        width = min(int(size.max(initial=0)), MOST)
        place = np.broadcast_to(np.arange(width), (len(keys), width))
        large = size > MOST
        if large.any():
            drawn = stream.words(len(keys) * width).reshape(len(keys), width)
            some = (drawn % np.maximum(size, 1).astype(np.uint64)[:, None]).astype(np.int64)
            place = np.where(large[:, None], some, place)
        inside = place < size[:, None]
        found: Indices = np.where(inside, self._items[np.where(inside, self._start[key][:, None] + place, 0)], NONE)
        return found

    def one(self, keys: Indices, stream: Stream) -> Indices:
        """Return a random item of each key, of any shape; -1 where a key has none."""
        known = (keys >= 0) & (keys < len(self._size))
        key = np.where(known, keys, 0)
        size = np.where(known, self._size[key], 0)
        words = stream.words(keys.size).reshape(keys.shape)
        place = (words % np.maximum(size, 1).astype(np.uint64)).astype(np.int64)
        found: Indices = np.where(size > 0, self._items[np.where(size > 0, self._start[key] + place, 0)], NONE)
        return found


def choose(valid: Flags, stream: Stream, preference: npt.NDArray[np.integer] | None = None) -> Indices:
    """Return for each row of (N, P) one of its valid columns at random, (N,), -1 where it has none.

    Args:
        preference: (N, P), not negative: only the valid columns of a row with its highest preference are drawn from.
    """
    if not valid.shape[1]:
        return np.full(len(valid), NONE)
    rank = np.where(valid, 1 + (0 if preference is None else preference), 0)
    best = rank.max(axis=1, keepdims=True)
    keys = stream.words(valid.size).reshape(valid.shape) >> np.uint64(1)
    column = np.where(valid & (rank == best), keys.astype(np.int64), NONE).argmax(axis=1)
    return np.where(best[:, 0] > 0, column, NONE)


def balanced(feasible: Flags, own: Indices, stream: Stream) -> Indices:
    """Choose a new label for each row, so that the rows of each label change to all others equally often.

    Where the facts allow only some labels, rows with the fewest choices are served first.

    Args:
        feasible: (N, K), the labels that each row can change to.
        own: (N,) the label of each row.

    Returns:
        (N,) labels, -1 for rows that cannot change.
    """
    choices = feasible.sum(axis=1)
    used = np.zeros((feasible.shape[1], feasible.shape[1]), np.int64)
    chosen = np.full(len(feasible), NONE)
    for row in np.lexsort((stream.words(len(feasible)), choices)):
        if choices[row]:
            counts = np.where(feasible[row], used[own[row]], len(feasible) + 1)
            chosen[row] = counts.argmin()
            used[own[row], chosen[row]] += 1
    return chosen
