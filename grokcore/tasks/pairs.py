"""Pairs of entities, made in chunks: there are more of them than memory holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from grokcore.tasks.random import Indices


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
