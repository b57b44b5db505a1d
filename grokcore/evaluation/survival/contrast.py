"""Contrasts of times between groups of runs: the ratio of times with its limits, and exact p values.

`compare` tests two groups by exchanging settings within draws of the data; `compare_pairs` compares runs that share a
seed, so that effects of the seed cancel.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Literal

import numpy as np

from grokcore.evaluation.survival.permutation import PermutationTest, Sample
from grokcore.evaluation.survival.times import Definition, End, EventTime, censored_after, potential, times_of
from grokcore.evaluation.units import TimeUnit, in_ticks, ticks_at
from grokcore.runs.groups import by_draw, replicate_of

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord


WIDEST = 1000.0
"""Largest ratio of times that limits distinguish; 1 / WIDEST is the smallest."""


@dataclass(frozen=True)
class Observation:
    """One run in a test of times.

    Attributes:
        setting: of the factor that its time may depend on.
        time: in steps.
        followed: the step up to which it would have been followed without its event.
    """

    setting: float
    time: EventTime
    followed: int


@dataclass(frozen=True)
class Effect:
    """The effect of a setting on times.

    Attributes:
        ratio: times at the highest setting over times at the lowest, None where one side never got there.
        lower, upper: limits of the ratio; None where so few runs, or so short ones, set no limit. They hold at either
            end of the intervals in which changes lie.
        p: two-sided, of no dependence at all, by exchange of settings; times at the right ends of their intervals.
        p_left: the same, at the left ends.
        p_worst: the largest of p, p_left and those with the two sides at opposite ends: shows how much depends on when
            the runs were evaluated.
        least: the smallest p that so many runs can give.
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


Ends = Literal["same", "any"]


def effect_of(strata: Sequence[Sequence[Observation]], *, alpha: float = 0.05, ends: Ends = "same") -> Effect:
    """Estimate the effect of a setting within strata: runs are compared with runs of their own stratum only.

    Each stratum has at least two different settings.

    Args:
        ends: `same`: limits hold if the times of both sides lie at the same end of the intervals between evaluations;
            `any`: also if they lie at opposite ends, which matters where evaluations are as far apart as the times.
    """
    reach = max(run.setting for runs in strata for run in runs) - min(run.setting for runs in strata for run in runs)
    widest = math.log(WIDEST) / reach

    def at(low: End, high: End) -> PermutationTest:
        return PermutationTest([_sample(runs, low, high) for runs in strata])

    right, left = at("right", "right"), at("left", "left")
    opposite = at("left", "right"), at("right", "left")
    limits = [one.interval(alpha, widest) for one in (right, left, *(opposite if ends == "any" else ()))]
    lows, highs = [low for low, _ in limits], [high for _, high in limits]
    slope = right.estimate(widest)
    ps = [right.p(), left.p(), *(one.p() for one in opposite)]
    known_lows, known_highs = [x for x in lows if x is not None], [x for x in highs if x is not None]
    return Effect(
        ratio=None if slope is None else math.exp(slope * reach),
        lower=math.exp(min(known_lows) * reach) if len(known_lows) == len(limits) else None,
        upper=math.exp(max(known_highs) * reach) if len(known_highs) == len(limits) else None,
        p=ps[0],
        p_left=ps[1],
        p_worst=max(ps),
        least=right.least,
        exact=right.exact,
    )


def _sample(runs: Sequence[Observation], low: End, high: End) -> Sample:
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


def observations_of(
    runs: Sequence[RunRecord],
    setting: float,
    split: str,
    definition: Definition = "sustained",
    unit: TimeUnit = "steps",
) -> list[Observation]:
    """Collect the times of the runs of one group, which share a setting, in ticks of a unit that all have counted."""
    times = times_of(runs, split, definition)
    return [
        Observation(setting, in_ticks(run, time, unit), ticks_at(run, potential(run), unit))
        for run, time in zip(runs, times, strict=True)
    ]


@dataclass(frozen=True)
class Contrast:
    """Two groups: `effect.ratio` is that of the second's times to the first's.

    Attributes:
        draws: of the data that they were compared on, each within itself; 0 where each run counts with its own draw.
        runs: number of runs in each.
        reached: number of events in each.
        horizon: steps, or ticks of the unit, up to which both were followed: later events are censored there.
        logrank: p of the log-rank test by its usual approximation, which is too small for fewer than some 10 runs in
            each group; None without events, or where the runs lie on several draws.
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
    unit: TimeUnit = "steps",
    ends: Ends = "same",
) -> Contrast | None:
    """Compare the times of two groups on a split: the second's with the first's, in ticks of a unit that all counted.

    Runs are compared within draws of the data that both groups have. Where no draw has two runs of a group, each run
    counts with its draw, and all are compared together. None where the groups share no draw otherwise: the effect of
    the draws could not be separated from that of the groups.
    """
    strata = _comparable(first, second)
    if not strata:
        return None
    parts = [
        (observations_of(one, 0.0, split, definition, unit), observations_of(other, 1.0, split, definition, unit))
        for one, other in strata
    ]
    sides = [[run for part in parts for run in part[side]] for side in (0, 1)]
    horizon = min(max(run.followed for run in side) for side in sides)
    times = [censored_after([run.time for run in side], horizon) for side in sides]
    return Contrast(
        draws=len(strata) if _clustered(first, second) else 0,
        runs=(len(sides[0]), len(sides[1])),
        reached=(_reached(times[0]), _reached(times[1])),
        horizon=horizon,
        effect=effect_of([[*one, *other] for one, other in parts], alpha=alpha, ends=ends),
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


def logrank(first: Sequence[EventTime], second: Sequence[EventTime]) -> float | None:
    """p of the two-sided log-rank test (Mantel 1966), from its normal approximation; None without events."""
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


def _reached(times: Sequence[EventTime]) -> int:
    return sum(not time.censored for time in times)


_MOST_EXACT = 16
"""Pairs up to which all 2^n exchanges within pairs are counted."""
_DRAWN = 20_000


@dataclass(frozen=True)
class PairedContrast:
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
) -> PairedContrast | None:
    """Compare two groups in pairs with the same seeds on the same draw of the data; None where there is no pair."""
    firsts, seconds = ({replicate_of(run.spec): run for run in runs} for runs in (first, second))
    shared = [key for key in firsts if key in seconds]
    if not shared:
        return None
    pairs = []
    for key in shared:
        two = [firsts[key], seconds[key]]
        horizon = min(potential(run) for run in two)
        one, other = censored_after([times_of([run], split, definition)[0] for run in two], horizon)
        pairs.append((one, other))
    return pairs_of(pairs, seeds=tuple(firsts[key].spec.seed for key in shared))


def pairs_of(pairs: Sequence[tuple[EventTime, EventTime]], seeds: tuple[int, ...]) -> PairedContrast:
    """Compare pairs of times, each followed up to the same step within a pair."""
    ratios = [_ratio(one, other) for one, other in pairs]
    # As far as it is certain: 0 where the two could be equal, else the end of the interval that is closer to 0.
    certain = [math.log(low) if low >= 1 else math.log(high) if high <= 1 else 0.0 for low, high in ratios]
    signs = [_decided(one, other) for one, other in pairs]
    later, sooner = signs.count(1), signs.count(-1)
    low, high = median(low for low, _ in ratios), median(high for _, high in ratios)
    return PairedContrast(
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
    """Two-sided p of the sign test, for so many pairs on either side."""
    number = one + other
    tail = sum(math.comb(number, count) for count in range(min(one, other) + 1)) / 2**number
    return float(min(1.0, 2 * tail))


def _decided(one: EventTime, other: EventTime) -> int:
    """1 if the second is certainly later, -1 if the first is, else 0."""
    if not one.censored and one.step <= _earliest(other):
        return 1
    if not other.censored and other.step <= _earliest(one):
        return -1
    return 0


def _earliest(time: EventTime) -> int:
    """The step after which it lies, for certain."""
    return time.step if time.censored else time.at("left") if time.after is not None else time.step - 1


def _ratio(one: EventTime, other: EventTime) -> tuple[float, float]:
    """The smallest and the largest ratio of the second to the first that is possible.

    What a run can do at step 0, since it starts from another, counts as done at step 1: 0 has no ratio.
    """
    latest = [math.inf if time.censored else float(max(time.step, 1)) for time in (one, other)]
    earliest = [float(max(_earliest(time), 0)) for time in (one, other)]
    low = earliest[1] / latest[0] if math.isfinite(latest[0]) else 0.0
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
