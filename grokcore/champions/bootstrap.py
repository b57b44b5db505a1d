"""Intervals of what a candidate gains over the champion, by resampling seeds.

Seeds are few, and a percentile bootstrap of few is too narrow: of five runs its 95 % interval holds the truth in some
85 of 100 cases. So its tails are widened to what Student's t would ask for, as in Hesterberg's expanded percentile
interval (arXiv 1411.5279): with n seeds, the tail of each side is Phi(-t sqrt(n / (n - 1))), t the quantile of n - 1
degrees of freedom. Of very few seeds that is the whole range of what resampling can give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from grokcore.champions.contender import Contender, SeedResult
from grokcore.evaluation.survival import Reached, common_horizon, ended, restricted_means

RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """A gain of the candidate over the champion: better above 0.

    Attributes:
        candidate, champion: the means that are compared.
        gain: what they come to.
        lower, upper: its limits.
    """

    candidate: float
    champion: float
    gain: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Gains:
    """
    Attributes:
        time: share of the champion's mean steps that the candidate saves; no run counts beyond the horizon. Its limits
            hold at either end of the intervals in which the changes lie.
        accuracy: difference of the mean final accuracies.
        horizon: steps up to which both are followed.
        paired: whether seeds were drawn in pairs: both sides have the same ones, on the same data.
    """

    time: Interval
    accuracy: Interval
    horizon: int
    paired: bool


def gains_of(candidate: Contender, champion: Contender, confidence: float, *, resamples: int = RESAMPLES) -> Gains:
    """Both gains with their intervals; equal contenders give equal ones, whatever their order of seeds.

    The draws depend on the runs' identities and not on their results, so that a better result cannot look worse by
    another draw.

    Args:
        candidate, champion: every seed has an accuracy.
    """
    ours, theirs = ({_seeds(one): one for one in side.seeds} for side in (candidate, champion))
    paired = candidate.dataset_id == champion.dataset_id and ours.keys() == theirs.keys()
    sides = [[side[key] for key in sorted(side)] for side in (ours, theirs)]

    digits = "".join([*sorted(candidate.run_ids), "/", *sorted(champion.run_ids)])
    generator = np.random.default_rng(list(digits.encode()))
    drawn = [_draw(generator, len(side), resamples) for side in sides]
    if paired:
        drawn[1] = drawn[0]
    fewest = min(len(side) for side in sides)
    tail = expanded_tail(confidence, fewest)

    times = [[seed.time for seed in side] for side in sides]
    horizon = max(1, common_horizon(times))
    right = _time_gain(times, drawn, horizon, tail)
    left = _time_gain([ended(side, "left") for side in times], drawn, horizon, tail)
    time = Interval(
        right.candidate, right.champion, right.gain, min(right.lower, left.lower), max(right.upper, left.upper)
    )
    accuracies = [np.array([seed.accuracy for seed in side], dtype=float) for side in sides]
    return Gains(time, _accuracy_gain(accuracies, drawn, tail), horizon, paired)


def expanded_tail(confidence: float, seeds: int) -> float:
    """What lies beyond each limit of the expanded percentile interval of a mean of so many seeds, at least two."""
    from scipy.special import stdtrit

    t = float(stdtrit(seeds - 1, (1 + confidence) / 2))
    return NormalDist().cdf(-t * math.sqrt(seeds / (seeds - 1)))


def _seeds(seed: SeedResult) -> tuple[int, int]:
    return seed.init_seed, seed.order_seed


def _draw(generator: np.random.Generator, seeds: int, resamples: int) -> npt.NDArray[np.int64]:
    """[resamples + 1, seeds]: how often each seed is drawn; the first row is the sample itself."""
    drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    return np.concatenate([np.ones((1, seeds), dtype=np.int64), drawn])


def _time_gain(
    times: Sequence[Sequence[Reached]], drawn: Sequence[npt.NDArray[np.int64]], horizon: int, tail: float
) -> Interval:
    candidate, champion = (
        np.maximum(restricted_means(side, horizon, rows), 1.0) for side, rows in zip(times, drawn, strict=True)
    )
    return _interval(candidate, champion, 1 - candidate / champion, tail)


def _accuracy_gain(
    accuracies: Sequence[npt.NDArray[np.float64]], drawn: Sequence[npt.NDArray[np.int64]], tail: float
) -> Interval:
    candidate, champion = (rows @ side / len(side) for side, rows in zip(accuracies, drawn, strict=True))
    return _interval(candidate, champion, candidate - champion, tail)


def _interval(
    candidate: npt.NDArray[np.float64], champion: npt.NDArray[np.float64], gain: npt.NDArray[np.float64], tail: float
) -> Interval:
    """Limits are draws themselves, the outer ones of the two beside a quantile."""
    lower = float(np.quantile(gain[1:], tail, method="lower"))
    upper = float(np.quantile(gain[1:], 1 - tail, method="higher"))
    return Interval(float(candidate[0]), float(champion[0]), float(gain[0]), lower, upper)
