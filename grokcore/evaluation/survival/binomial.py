"""Exact limits from counts of successes: of a share, and of the median of any distribution."""

from __future__ import annotations

import math
from functools import lru_cache


@lru_cache(maxsize=4096)
def clopper_pearson(successes: int, number: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided limits of a share (Clopper and Pearson, Biometrika 26, 404, 1934).

    Args:
        number: of independent trials, at least one.
        confidence: of both limits; either is wrong with a probability of at most half of what is missing to 1.
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    lower = float(betaincinv(successes, number - successes + 1, tail)) if successes else 0.0
    upper = float(betaincinv(successes + 1, number - successes, 1 - tail)) if successes < number else 1.0
    return lower, upper


@lru_cache
def median_place(number: int, confidence: float = 0.95) -> int:
    """The k for which the k-th smallest and the k-th largest of so many values enclose the median this surely.

    The largest such k: P(fewer than k of `number` fair coins show heads) <= (1 - confidence) / 2. 0 where there is
    none: at 95 % below 6 values.
    """
    tail, total = (1 - confidence) / 2 * 2**number, 0
    for place in range(number // 2 + 1):
        total += math.comb(number, place)
        if total > tail * (1 + 1e-12):
            return place
    return number // 2


@lru_cache
def kolmogorov_width(number: int, confidence: float = 0.95) -> float:
    """Half the width of the band around the share of so many values below any point, which holds everywhere at once."""
    from scipy.stats import kstwo

    return float(kstwo.ppf(confidence, number))
