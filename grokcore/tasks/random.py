"""Random numbers that a seed fixes on every platform and for every NumPy version, and pairs made in chunks.

NumPy promises the raw 64-bit words of a bit generator for good, but not what its distributions make of them
(NEP 19). So only the raw words of Philox4x64-10 (Salmon et al., SC 2011) are used, and everything else is made here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

Indices = npt.NDArray[np.int64]


class Stream:
    """An endless sequence of random words, fixed by a seed and by labels that say what it is for.

    Streams with other labels are independent, so that one more draw somewhere changes nothing elsewhere. How the
    words are asked for, at once or in chunks, does not change them.
    """

    def __init__(self, seed: int, *labels: str | int) -> None:
        digest = hashlib.sha256(json.dumps([seed, *labels]).encode()).digest()
        self._generator = np.random.Philox(key=int.from_bytes(digest[:16], "little"))

    def words(self, count: int) -> Words:
        """`count` uniform 64-bit words."""
        words: Words = self._generator.random_raw(count)
        return words

    def integers(self, high: int, count: int) -> Indices:
        """`count` integers in [0, high), uniform but for a bias below high / 2**64, which no dataset can show."""
        return (self.words(count) % np.uint64(high)).astype(np.int64)

    def bernoulli(self, probability: float, count: int) -> npt.NDArray[np.bool_]:
        """`count` coins that are True with a probability in [0, 1)."""
        return self.words(count) < np.uint64(int(probability * 2**64))

    def sample(self, population: int, count: int) -> Indices:
        """`count` of the numbers 0 .. population-1 without replacement (all, if there are no more), ascending."""
        return smallest(self.words(population), count)


def smallest(keys: Words, count: int) -> Indices:
    """Ascending positions of the `count` smallest keys; of equal keys the earlier is the smaller."""
    if count >= len(keys):
        return np.arange(len(keys))
    if count <= 0:
        return np.arange(0)
    last = np.partition(keys, count - 1)[count - 1]
    chosen = keys < last
    chosen[np.flatnonzero(keys == last)[: count - np.count_nonzero(chosen)]] = True
    return np.flatnonzero(chosen)


class BottomK:
    """A uniform sample without replacement of rows that arrive in chunks and are too many to be kept.

    Every row comes with a random key, and the `count` rows with the smallest keys are the sample. Memory holds at
    most 2 `count` rows and one chunk; the result does not depend on how the rows were cut into chunks.
    """

    def __init__(self, count: int) -> None:
        self.offered = 0
        """Rows seen so far."""
        self._count = count
        self._keys: list[Words] = []
        self._rows: list[Indices] = []
        self._kept = 0
        self._bound: np.uint64 | None = None  # `count` rows with keys up to this one are kept already

    def offer(self, keys: Words, rows: Indices) -> None:
        self.offered += len(keys)
        if self._bound is not None:
            candidates = keys < self._bound
            keys, rows = keys[candidates], rows[candidates]
        self._keys.append(keys)
        self._rows.append(rows)
        self._kept += len(keys)
        if self._kept > 2 * self._count:
            self._prune()

    def rows(self) -> Indices:
        """The sample so far, in ascending order of the rows."""
        self._prune()
        return np.sort(self._rows[0])

    def _prune(self) -> None:
        keys = np.concatenate([np.empty(0, np.uint64), *self._keys])
        rows = np.concatenate([np.empty(0, np.int64), *self._rows])
        chosen = smallest(keys, self._count)
        self._keys, self._rows, self._kept = [keys[chosen]], [rows[chosen]], len(chosen)
        if len(chosen) == self._count > 0:
            self._bound = self._keys[0].max()


def pairs_within(members: Indices, chunk: int = 2**20) -> Iterator[tuple[Indices, Indices]]:
    """Every unordered pair of two different members once, the earlier member first, about `chunk` pairs at a time."""
    count = len(members)
    step = max(1, chunk // max(1, count))
    for start in range(0, count - 1, step):
        firsts = np.arange(start, min(start + step, count - 1))
        partners = count - 1 - firsts
        first = np.repeat(firsts, partners)
        place_in_run = np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
        yield members[first], members[first + 1 + place_in_run]


def pairs_between(left: Indices, right: Indices, chunk: int = 2**20) -> Iterator[tuple[Indices, Indices]]:
    """Every pair of a member of `left` with a member of `right`, about `chunk` pairs at a time."""
    step = max(1, chunk // max(1, len(right)))
    for start in range(0, len(left), step):
        block = left[start : start + step]
        yield np.repeat(block, len(right)), np.tile(right, len(block))
