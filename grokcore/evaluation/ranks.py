"""Shifts between two samples by ranks, with limits that hold for any distribution and any number of values.

The interval inverts a test (Hodges and Lehmann, Ann. Math. Stat. 34, 598, 1963): for pairs Wilcoxon's
signed-rank test, which takes the differences to be symmetric, for two samples of one shape his rank-sum test. Ties make
it wider. A value known as an interval counts with its worse end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, median

_MOST_EXACT = 10_000
"""Sums of ranks up to which all orders are counted; beyond, the normal approximation serves."""


@dataclass(frozen=True)
class Shift:
    """The shift of the first sample above the second; limits are infinite where there are too few values."""

    estimate: float
    lower: float
    upper: float


def paired_shift(low: Sequence[float], high: Sequence[float], confidence: float) -> Shift:
    """From the differences of pairs, each known to lie between `low` and `high`."""
    place = signed_rank_place(len(low), (1 - confidence) / 2)
    lows, highs = (
        sorted((one + other) / 2 for first, one in enumerate(side) for other in side[first:]) for side in (low, high)
    )
    return _shift(lows, highs, place)


def shift(low: Sequence[Sequence[float]], high: Sequence[Sequence[float]], confidence: float) -> Shift:
    """From all differences, a row for each value of the first sample, each known to lie between `low` and `high`."""
    place = rank_sum_place(len(low), len(low[0]), (1 - confidence) / 2)
    lows, highs = (sorted(one for row in side for one in row) for side in (low, high))
    return _shift(lows, highs, place)


def _shift(lows: Sequence[float], highs: Sequence[float], place: int) -> Shift:
    middle = (median(lows) + median(highs)) / 2
    if not place:
        return Shift(middle, -math.inf, math.inf)
    return Shift(middle, lows[place - 1], highs[-place])


@lru_cache
def signed_rank_place(pairs: int, tail: float) -> int:
    """The k for which the k-th smallest mean of two differences is a limit wrong with probability `tail` at most.

    0 where there is none: at .025 below 6 pairs.
    """
    most = pairs * (pairs + 1) // 2
    if most > _MOST_EXACT:
        spread = math.sqrt(most * (2 * pairs + 1) / 12)
        return max(0, math.floor(most / 2 - NormalDist().inv_cdf(1 - tail) * spread))
    orders = [1] + [0] * most
    for rank in range(1, pairs + 1):
        for total in range(most, rank - 1, -1):
            orders[total] += orders[total - rank]
    return _place(orders, 2**pairs, tail)


@lru_cache
def rank_sum_place(first: int, second: int, tail: float) -> int:
    """The k for which the k-th smallest difference is a limit wrong with probability `tail` at most."""
    most = first * second
    if most > _MOST_EXACT:
        spread = math.sqrt(most * (first + second + 1) / 12)
        return max(0, math.floor(most / 2 - NormalDist().inv_cdf(1 - tail) * spread))
    orders = [1] + [0] * most  # the coefficients of the product of (1 - q^(second + i)) / (1 - q^i)
    for place in range(1, first + 1):
        for total in range(most, second + place - 1, -1):
            orders[total] -= orders[total - second - place]
        for total in range(place, most + 1):
            orders[total] += orders[total - place]
    return _place(orders, math.comb(first + second, first), tail)


def _place(orders: Sequence[int], number: int, tail: float) -> int:
    """How many of the smallest values of a statistic have a probability of at most `tail` together."""
    total = 0
    for place, count in enumerate(orders):
        total += count
        if total > tail * number * (1 + 1e-12):
            return place
    return len(orders)
