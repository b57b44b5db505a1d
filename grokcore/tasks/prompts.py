"""Prompts that are drawn anew for every row: sets of different items, shuffled, and no prompt twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from grokcore.tasks.random import Indices, Stream

_CHUNK = 2**16
"""Prompts that are drawn at once."""


def distinct(stream: Stream, population: int, size: int, count: int) -> Indices:
    """Draw, in each of `count` rows, `size` different numbers below `population`.

    Floyd's algorithm (Bentley and Floyd, Communications of the ACM 30(9), 1987), all rows at once. A row is uniform as
    a set only (the greatest number never comes first): shuffle it before its order is used.

    Returns:
        (count, size) int64.
    """
    words = stream.words(count * size).reshape(count, size)
    chosen = np.empty((count, size), np.int64)
    for place in range(size):
        last = population - size + place
        number = (words[:, place] % np.uint64(last + 1)).astype(np.int64)
        taken = (chosen[:, :place] == number[:, np.newaxis]).any(axis=1)
        chosen[:, place] = np.where(taken, last, number)
    return chosen


def shuffled(stream: Stream, rows: Indices) -> Indices:
    """Return each row of (N, T) in a uniformly random order of its own."""
    order = np.argsort(stream.words(rows.size).reshape(rows.shape), axis=1, kind="stable")
    in_order: Indices = np.take_along_axis(rows, order, axis=1)
    return in_order


def different(draw: Callable[[int], Indices], count: int, *, unlike: Indices | None = None) -> Indices:
    """Return the first `count` prompts that are drawn, leaving out repetitions and those that `unlike` has.

    Args:
        draw: returns at most as many prompts (M, T) as it is asked for.
        unlike: (N, T).

    Returns:
        (count, T) int64.
    """
    batch, excluded = min(_CHUNK, count), None if unlike is None else _as_items(unlike)
    parts: list[Indices] = []
    while not parts or len(parts[0]) < count:
        drawn = draw(batch)
        if excluded is not None:
            drawn = drawn[~np.isin(_as_items(drawn), excluded)]
        found = np.concatenate([*parts, drawn])
        first = np.unique(_as_items(found), return_index=True)[1]
        parts = [found[np.sort(first)]]
    return parts[0][:count]


def _as_items(prompts: Indices) -> npt.NDArray[np.void]:
    """Return each row of (N, T) as one item that can be compared, (N,)."""
    rows = np.ascontiguousarray(prompts, np.int32)
    return rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
