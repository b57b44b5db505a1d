"""Items grouped by a key: the candidates of all rows as one matrix."""

from __future__ import annotations

import numpy as np

from grokcore.tasks.random import Indices, Stream

MOST = 512
"""Candidates of a row that are looked at; of more, as many are drawn at random."""
NONE = -1


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
