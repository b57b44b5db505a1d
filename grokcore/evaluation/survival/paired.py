"""Runs of two groups that share a seed, compared with one another: what the seeds have in common drops out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from grokcore.evaluation.survival.times import Definition, Reached, cut, potential, times_of
from grokcore.runs.groups import replicate_of

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord

_MOST_EXACT = 16
"""Pairs up to which all 2^n exchanges within pairs are counted."""
_DRAWN = 20_000


@dataclass(frozen=True)
class Paired:
    """Pairs of runs with the same seeds, that of the data included.

    Attributes:
        seeds: of the pairs.
        second_later, first_later, undecided: number of pairs; undecided are those whose intervals overlap, or in which
            what is censored could be either side of the other.
        ratio_low, ratio_high: medians over the pairs of the smallest and largest ratio of times (second over first)
            that what is known allows: the median ratio lies between. None where it may be anything on that side.
        sign: two-sided p of the sign test over the pairs that are decided (1 where there are none).
        exchange: two-sided p over exchanges within pairs, of the sum of log ratios as far as they are certain.
    """

    seeds: tuple[int, ...]
    second_later: int
    first_later: int
    undecided: int
    ratio_low: float | None
    ratio_high: float | None
    sign: float
    exchange: float


def compare_pairs(
    first: Sequence[RunRecord], second: Sequence[RunRecord], split: str, definition: Definition = "sustained"
) -> Paired | None:
    """The pairs of two groups, with the same seeds on the same draw of the data; None where there is none."""
    firsts, seconds = ({replicate_of(run.spec): run for run in runs} for runs in (first, second))
    shared = [key for key in firsts if key in seconds]
    if not shared:
        return None
    pairs = []
    for key in shared:
        two = [firsts[key], seconds[key]]
        horizon = min(potential(run) for run in two)
        one, other = cut([times_of([run], split, definition)[0] for run in two], horizon)
        pairs.append((one, other))
    return pairs_of(pairs, seeds=tuple(firsts[key].spec.seed for key in shared))


def pairs_of(pairs: Sequence[tuple[Reached, Reached]], seeds: tuple[int, ...]) -> Paired:
    """What pairs of times, each followed up to the same step within a pair, come to."""
    ratios = [_ratio(one, other) for one, other in pairs]
    # As far as it is certain: 0 where the two could be equal, else the end of the interval that is closer to 0.
    certain = [math.log(low) if low >= 1 else math.log(high) if high <= 1 else 0.0 for low, high in ratios]
    signs = [_decided(one, other) for one, other in pairs]
    later, sooner = signs.count(1), signs.count(-1)
    low, high = median(low for low, _ in ratios), median(high for _, high in ratios)
    return Paired(
        seeds=seeds,
        second_later=later,
        first_later=sooner,
        undecided=signs.count(0),
        ratio_low=low or None,
        ratio_high=high if math.isfinite(high) else None,
        sign=sign_test(later, sooner),
        exchange=_exchange([difference + sign * 1e-6 for difference, sign in zip(certain, signs, strict=True)]),
    )


def sign_test(one: int, other: int) -> float:
    """Two-sided p of so many pairs on either side, if both were as likely."""
    number = one + other
    tail = sum(math.comb(number, count) for count in range(min(one, other) + 1)) / 2**number
    return float(min(1.0, 2 * tail))


def _decided(one: Reached, other: Reached) -> int:
    """1 if the second is certainly later, -1 if the first is, else 0."""
    if not one.censored and one.step <= _earliest(other):
        return 1
    if not other.censored and other.step <= _earliest(one):
        return -1
    return 0


def _earliest(time: Reached) -> int:
    """The step after which it lies, for certain."""
    return time.step if time.censored else time.at("left") if time.after is not None else time.step - 1


def _ratio(one: Reached, other: Reached) -> tuple[float, float]:
    """The smallest and the largest ratio of the second to the first that is possible."""
    latest = [math.inf if time.censored else float(time.step) for time in (one, other)]
    earliest = [float(max(_earliest(time), 0)) for time in (one, other)]
    low = earliest[1] / latest[0] if math.isfinite(latest[0]) and latest[0] else 0.0
    high = latest[1] / earliest[0] if earliest[0] else math.inf
    return low, high


def _exchange(differences: Sequence[float]) -> float:
    values = np.array(differences)
    observed = abs(values.sum()) - 1e-12
    if len(values) <= _MOST_EXACT:
        signs = np.array(list(product((-1, 1), repeat=len(values))))
        return float(np.mean(np.abs(signs @ values) >= observed))
    signs = np.random.default_rng(0).choice((-1, 1), size=(_DRAWN, len(values)))
    return float((np.count_nonzero(np.abs(signs @ values) >= observed) + 1) / (_DRAWN + 1))
