"""Whether times depend on a setting, over groups of runs: one number for how much, and how sure it is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grokcore.evaluation.survival.permutation import Exchange, Sample
from grokcore.evaluation.survival.times import Definition, End, Reached, cut, potential, times_of
from grokcore.runs.groups import by_draw

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord

WIDEST = 1000.0
"""Ratios of times beyond this, or below one over it, are not told apart."""


@dataclass(frozen=True)
class Timed:
    """One run as a test of times sees it.

    Attributes:
        setting: what its time may depend on.
        time: in steps.
        followed: the step up to which it would have been followed, had it not got there.
    """

    setting: float
    time: Reached
    followed: int


@dataclass(frozen=True)
class Effect:
    """How much times depend on a setting.

    Attributes:
        ratio: times at the highest setting over times at the lowest, None where one side never got there.
        lower, upper: limits of the ratio; None where so few runs, or so short ones, set no limit. They hold at either
            end of the intervals in which changes lie.
        p: two-sided, of no dependence at all, by exchange of settings; times at the right ends of their intervals.
        p_left: the same, at the left ends.
        p_worst: the largest of p, p_left and those with the two sides at opposite ends: how much depends on when the
            runs were evaluated.
        least: the smallest p that so many runs can come to.
        exact: whether all exchanges were counted, or a sample of them drawn.
    """

    ratio: float | None
    lower: float | None
    upper: float | None
    p: float
    p_left: float
    p_worst: float
    least: float
    exact: bool


def effect_of(strata: Sequence[Sequence[Timed]], *, alpha: float = 0.05) -> Effect:
    """The effect of a setting within strata: runs are compared with runs of their own stratum only.

    Each stratum has at least two different settings.
    """
    reach = max(run.setting for runs in strata for run in runs) - min(run.setting for runs in strata for run in runs)
    widest = math.log(WIDEST) / reach

    def at(low: End, high: End) -> Exchange:
        return Exchange([_sample(runs, low, high) for runs in strata])

    right, left = at("right", "right"), at("left", "left")
    limits = [one.interval(alpha, widest) for one in (right, left)]
    lows, highs = [low for low, _ in limits], [high for _, high in limits]
    slope = right.estimate(widest)
    ps = [right.p(), left.p(), at("left", "right").p(), at("right", "left").p()]
    known_lows, known_highs = [x for x in lows if x is not None], [x for x in highs if x is not None]
    return Effect(
        ratio=None if slope is None else math.exp(slope * reach),
        lower=math.exp(min(known_lows) * reach) if len(known_lows) == 2 else None,
        upper=math.exp(max(known_highs) * reach) if len(known_highs) == 2 else None,
        p=ps[0],
        p_left=ps[1],
        p_worst=max(ps),
        least=right.least,
        exact=right.exact,
    )


def _sample(runs: Sequence[Timed], low: End, high: End) -> Sample:
    """Runs below the middle of the settings with their times at the end `low`, the others at the end `high`."""
    settings = np.array([run.setting for run in runs], dtype=float)
    middle = (settings.min() + settings.max()) / 2
    ends: list[End] = [low if setting <= middle else high for setting in settings]
    return Sample(
        setting=settings,
        time=np.log([max(1, run.time.at(end)) for run, end in zip(runs, ends, strict=True)]),
        reached=np.array([not run.time.censored for run in runs]),
        horizon=np.log([max(1, run.followed) for run in runs]),
    )


def timed(runs: Sequence[RunRecord], setting: float, split: str, definition: Definition = "sustained") -> list[Timed]:
    """Runs of one group, which share a setting."""
    times = times_of(runs, split, definition)
    return [Timed(setting, time, potential(run)) for run, time in zip(runs, times, strict=True)]


@dataclass(frozen=True)
class Contrast:
    """Two groups: `effect.ratio` is that of the second's times to the first's.

    Attributes:
        draws: of the data that they were compared on, each within itself; 0 where each run counts with its own draw.
        runs: number of runs in each.
        reached: how many of each got there.
        horizon: steps up to which both were followed: what was reached later is censored there.
        logrank: p of the log-rank test by its usual approximation, which promises too much for fewer than some 10 runs
            in each group; None where nobody got there, or where the runs lie on several draws.
    """

    draws: int
    runs: tuple[int, int]
    reached: tuple[int, int]
    horizon: int
    effect: Effect
    logrank: float | None


def compare(
    first: Sequence[RunRecord],
    second: Sequence[RunRecord],
    split: str,
    definition: Definition = "sustained",
    *,
    alpha: float = 0.05,
) -> Contrast | None:
    """Whether, and by how much, the second group takes longer than the first on a split.

    Runs are compared within draws of the data that both groups have. Where no draw has two runs of a group, each run
    counts with its draw, and all are compared together. None where the groups share no draw otherwise: what the draws
    do could not be told from what the groups do.
    """
    strata = _comparable(first, second)
    if not strata:
        return None
    parts = [(timed(one, 0.0, split, definition), timed(other, 1.0, split, definition)) for one, other in strata]
    sides = [[run for part in parts for run in part[side]] for side in (0, 1)]
    horizon = min(max(run.followed for run in side) for side in sides)
    times = [cut([run.time for run in side], horizon) for side in sides]
    return Contrast(
        draws=len(strata) if _clustered(first, second) else 0,
        runs=(len(sides[0]), len(sides[1])),
        reached=(_reached(times[0]), _reached(times[1])),
        horizon=horizon,
        effect=effect_of([[*one, *other] for one, other in parts], alpha=alpha),
        logrank=logrank(*times) if len(strata) == 1 else None,
    )


def _comparable(
    first: Sequence[RunRecord], second: Sequence[RunRecord]
) -> list[tuple[Sequence[RunRecord], Sequence[RunRecord]]]:
    """The runs of both sides, by stratum."""
    if not _clustered(first, second):
        return [(first, second)]
    one, other = by_draw(first), by_draw(second)
    return [(one[draw], other[draw]) for draw in one if draw in other]


def _clustered(first: Sequence[RunRecord], second: Sequence[RunRecord]) -> bool:
    """Whether runs of a side share a draw of the data."""
    return any(len(runs) > 1 for side in (first, second) for runs in by_draw(side).values())


def logrank(first: Sequence[Reached], second: Sequence[Reached]) -> float | None:
    """p of the two-sided log-rank test (Mantel 1966), from its normal approximation; None where nobody got there."""
    from scipy import stats

    if not _reached(first) and not _reached(second):
        return None
    samples = [
        stats.CensoredData(
            uncensored=[time.step for time in times if not time.censored],
            right=[time.step for time in times if time.censored],
        )
        for times in (first, second)
    ]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        p = float(stats.logrank(*samples).pvalue)
    return p if math.isfinite(p) else 1.0


def _reached(times: Sequence[Reached]) -> int:
    return sum(not time.censored for time in times)
