"""Tests of whether times depend on a setting, exact for a handful of seeds, and the factor by which they do.

The log-rank statistic is U = sum of x_i c_i over the runs: x_i the setting of run i (0 and 1 for two groups), c_i its
log-rank score, 1 - H(t_i) for a time that was reached and -H(t_i) for a censored one, where H is the Nelson-Aalen
estimate of all runs together. If times do not depend on the setting, every exchange of settings among the runs of a
stratum is as likely as the one observed, so the p value is the share of exchanges whose U is as far from 0. That is
exact however few runs there are (Heimann and Neuhaus, Biometrics 54, 168, 1998), and so honest about them: 3 runs
against 3 cannot come below p = .1, where the usual approximation says .02.

Only relabeling is assumed, so what is known beyond the shorter of two budgets is censored first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

MOST_EXACT = 20_000
"""Exchanges up to which all are counted; beyond, as many are drawn."""
DRAWN = 10_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Runs of one stratum, whose settings may be exchanged if they make no difference.

    Attributes:
        setting: x of each run.
        time: log of the step at which it was reached, or was not yet.
        reached: whether it was.
        horizon: log of the step up to which each run would have been followed, had it not ended early.
    """

    setting: Floats
    time: Floats
    reached: npt.NDArray[np.bool_]
    horizon: Floats

    def scores(self, slopes: Sequence[float]) -> Floats:
        """Log-rank scores (runs, slopes) of times from which slope x setting is taken off: if the slope is right, no
        effect is left in them."""
        shift = np.outer(self.setting, slopes)
        levels = [(self.horizon[:, None] - shift)[self.setting == level].max(axis=0) for level in set(self.setting)]
        limit = np.min(levels, axis=0)
        time = self.time[:, None] - shift
        return log_rank_scores(np.minimum(time, limit), self.reached[:, None] & (time <= limit + 1e-12))


def log_rank_scores(time: Floats, reached: npt.NDArray[np.bool_]) -> Floats:
    """Observed minus expected of each run (rows) in each column of times; columns sum to 0."""
    time = time.round(12)  # times that were the same before a setting was taken off are the same after it
    later = time[:, None] >= time[None]  # [i, j]: run i was still at risk when run j got there
    scores: Floats = reached - np.sum(later * (reached / later.sum(axis=0))[None], axis=1)
    return scores


class PermutationTest:
    """All exchanges of settings within strata, or a sample of them, ready to judge any slope.

    Args:
        samples: one per stratum; each with at least two different settings.
        seed: of the exchanges that are drawn where there are too many to count.
    """

    def __init__(self, samples: Sequence[Sample], *, seed: int = 0) -> None:
        self._samples = samples
        self._seed = seed

    @cached_property
    def arrangements(self) -> int:
        """Number of different exchanges."""
        return math.prod(_arrangements(sample.setting) for sample in self._samples)

    @property
    def exact(self) -> bool:
        return self.arrangements <= MOST_EXACT

    @cached_property
    def _exchanged(self) -> list[Floats]:
        """Per stratum, a row of settings for each exchange."""
        if self.exact:
            return [_orders(tuple(sample.setting)) for sample in self._samples]
        generator = np.random.default_rng(self._seed)
        return [generator.permuted(np.tile(sample.setting, (DRAWN, 1)), axis=1) for sample in self._samples]

    def _scores(self, slopes: Sequence[float]) -> list[Floats]:
        """Per stratum, the scores of each run (rows) at each slope (columns)."""
        return [sample.scores(slopes) for sample in self._samples]

    def _observed(self, scores: Sequence[Floats]) -> Floats:
        total = np.zeros(scores[0].shape[1])
        for sample, score in zip(self._samples, scores, strict=True):
            total += sample.setting @ score
        return total

    def p(self, slope: float = 0.0) -> float:
        """Two-sided p of the hypothesis that log times rise by `slope` per unit of the setting, and by nothing else."""
        return float(self.ps([slope])[0])

    def ps(self, slopes: Sequence[float]) -> Floats:
        """The p of each of several slopes."""
        scores = self._scores(slopes)
        parts = [rows @ score for rows, score in zip(self._exchanged, scores, strict=True)]
        far = np.abs(self._observed(scores)) - 1e-9
        if not self.exact:
            count = np.count_nonzero(np.abs(np.sum(parts, axis=0)) >= far, axis=0)
            drawn: Floats = (count + 1) / (DRAWN + 1)
            return drawn
        sums = parts[0]
        for part in parts[1:]:
            sums = (sums[:, None] + part[None]).reshape(-1, len(slopes))
        share: Floats = np.mean(np.abs(sums) >= far, axis=0)
        return share

    @cached_property
    def least(self) -> float:
        """The smallest two-sided p that so many runs can come to, whatever their times."""
        if not self.exact:
            return 1 / (DRAWN + 1)
        mirrored = all(
            np.allclose(np.sort(s.setting), np.sort(s.setting.max() + s.setting.min() - s.setting))
            for s in self._samples
        )
        return (2 if mirrored else 1) / self.arrangements

    def estimate(self, widest: float) -> float | None:
        """The slope at which settings and what is left of the times agree best: where U changes its sign.

        None where it does not within `widest`: one side never got there.
        """
        low, high = -widest, widest
        for points in (_COARSE, _FINE, _FINE, _FINE):
            grid = _grid(low, high, points)
            signs = self._observed(self._scores(grid))
            changes = [place for place in range(points - 1) if signs[place] < 0 <= signs[place + 1]]
            if not changes or not (signs[changes[0] + 1 :] > 0).any():
                return None
            low, high = grid[changes[0]], grid[changes[0] + 1]
        return (low + high) / 2

    def interval(self, alpha: float, widest: float) -> tuple[float | None, float | None]:
        """The slopes that are not rejected at `alpha`, as limits; None for one beyond `widest`.

        The test turned round (Wei and Gail, J. Am. Stat. Assoc. 78, 382, 1983): with few seeds it is wide, and with
        too few to reject anything it is everything.
        """
        best = self.estimate(widest)
        tried = sorted({*_grid(-widest, widest, _COARSE), *([] if best is None else [best])})
        kept = [place for place, p in enumerate(self.ps(tried)) if p >= alpha]
        if not kept and best is None:  # all that was tried is rejected: it lies beyond
            return (widest, None) if self._observed(self._scores([0.0]))[0] < 0 else (None, -widest)
        if not kept:
            kept = [tried.index(best or 0.0)]
        first, last = kept[0], kept[-1]
        return (
            None if first == 0 else self._edge(tried[first], tried[first - 1], alpha),
            None if last == len(tried) - 1 else self._edge(tried[last], tried[last + 1], alpha),
        )

    def _edge(self, kept: float, rejected: float, alpha: float) -> float:
        """The first slope from `kept` to `rejected` that is rejected, as far as it matters."""
        for _ in range(2):
            grid = _grid(kept, rejected, _FINE)
            place = next(place for place, p in enumerate([*self.ps(grid[:-1]), 0.0]) if p < alpha)
            kept, rejected = grid[max(place - 1, 0)], grid[place]
        return rejected


_COARSE, _FINE = 49, 17
"""Slopes that are tried over the whole range, and between two of these."""


def _grid(low: float, high: float, points: int) -> list[float]:
    return [float(slope) for slope in np.linspace(low, high, points)]


def _arrangements(settings: Floats) -> int:
    count = math.factorial(len(settings))
    for number in np.unique(settings, return_counts=True)[1]:
        count //= math.factorial(int(number))
    return count


@lru_cache(maxsize=16)
def _orders(settings: tuple[float, ...]) -> Floats:
    return np.array(list(_distinct(np.array(settings))))


def _distinct(settings: Floats) -> Iterator[Floats]:
    """Every different order of these settings, once."""
    levels, counts = np.unique(settings, return_counts=True)
    row = np.empty(len(settings))

    def fill(level: int, free: tuple[int, ...]) -> Iterator[Floats]:
        if level == len(levels):
            yield row.copy()
            return
        for chosen in combinations(free, int(counts[level])):
            row[list(chosen)] = levels[level]
            yield from fill(level + 1, tuple(place for place in free if place not in chosen))

    yield from fill(0, tuple(range(len(settings))))
