"""Gains of a candidate over the champion, with confidence limits that hold for few seeds.

Times are compared as ratios, accuracies as differences: seed by seed where both sides have the same seeds on the same
data and are enough pairs for a limit (6 at 95 %), else every seed of one side with every seed of the other. The limits
are those of Wilcoxon's tests (`grokcore.evaluation.ranks`). Seeds that fail rarely may be
missing from a sample, so the share of failing seeds is bounded separately, by binomial limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from grokcore.champions.challenger import Challenger, SeedResult
from grokcore.evaluation.ranks import Shift, paired_shift, shift, signed_rank_place
from grokcore.evaluation.survival import EventTime, clopper_pearson, common_horizon
from grokcore.evaluation.survival.times import End


@dataclass(frozen=True)
class Interval:
    """A gain of the candidate over the champion: better above 0.

    Attributes:
        candidate, champion: medians over the seeds.
        gain: how much better the candidate is (the estimate of Hodges and Lehmann).
        lower, upper: its limits.
    """

    candidate: float
    champion: float
    gain: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Excess:
    """By how much the candidate's share of failing seeds lies above the champion's.

    Attributes:
        candidate, champion: failing seeds.
        share: the difference as it was seen.
        lower, upper: limits of the difference of the shares, from Clopper and Pearson's of each side.
    """

    candidate: int
    champion: int
    share: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Gains:
    """
    Attributes:
        time: share of the champion's steps that the candidate saves; no run counts beyond the horizon. Its limits hold
            at either end of the intervals in which the changes lie.
        accuracy: difference of the final accuracies.
        horizon: steps up to which both are followed.
        paired: whether seeds were compared in pairs.
    """

    time: Interval
    accuracy: Interval
    horizon: int
    paired: bool


def gains_of(candidate: Challenger, champion: Challenger, confidence: float) -> Gains:
    """Compute both gains with their intervals, whatever the order of seeds.

    Args:
        candidate, champion: every seed has an accuracy.
    """
    ours, theirs = ({_seeds(one): one for one in side.seeds} for side in (candidate, champion))
    same = candidate.dataset_id == champion.dataset_id and ours.keys() == theirs.keys()
    paired = same and signed_rank_place(len(ours), (1 - confidence) / 2) > 0
    sides = [[side[key] for key in sorted(side)] for side in (ours, theirs)]
    horizon = max(1, common_horizon([[seed.time for seed in side] for side in sides]))
    accuracies = [[float(seed.accuracy or 0.0) for seed in side] for side in sides]
    difference = _differences(accuracies[0], accuracies[1], paired)
    accuracy = _shifted([difference, difference], confidence, paired)
    return Gains(
        _time_gain([[seed.time for seed in side] for side in sides], horizon, confidence, paired),
        Interval(
            median(accuracies[0]), median(accuracies[1]), accuracy.estimate,
            max(accuracy.lower, -1.0), min(accuracy.upper, 1.0),
        ),
        horizon,
        paired,
    )  # fmt: skip


def excess_of(candidate: Challenger, champion: Challenger, accuracy_margin: float, confidence: float) -> Excess:
    """Bound by how much the candidate's share of failing seeds exceeds the champion's."""
    ours, theirs = (failing(side, accuracy_margin) for side in (candidate, champion))
    mine = clopper_pearson(ours, len(candidate.seeds), confidence)
    other = clopper_pearson(theirs, len(champion.seeds), confidence)
    share = ours / len(candidate.seeds) - theirs / len(champion.seeds)
    return Excess(ours, theirs, share, mine[0] - other[1], mine[1] - other[0])


def failing(challenger: Challenger, accuracy_margin: float) -> int:
    """Count the seeds that never held the threshold, or ended further below it than the margin."""
    least = challenger.threshold - accuracy_margin
    return sum(not seed.reached or seed.accuracy is None or seed.accuracy < least for seed in challenger.seeds)


def _seeds(seed: SeedResult) -> tuple[int, int]:
    return seed.init_seed, seed.order_seed


def _time_gain(times: Sequence[Sequence[EventTime]], horizon: int, confidence: float, paired: bool) -> Interval:
    """Compare times at the right ends of all intervals and at the left ends, and take the outer limits of both."""
    found = []
    for end in _ENDS:
        late, early = (
            [[math.log(_steps(time, end, horizon, worst)) for time in side] for side in times]
            for worst in (True, False)
        )
        lows, highs = _differences(early[0], late[1], paired), _differences(late[0], early[1], paired)
        found.append(_shifted([lows, highs], confidence, paired))
    most = math.log(horizon)
    lower, upper = min(one.lower for one in found), max(one.upper for one in found)
    middles = [float(median(_steps(time, "right", horizon, True) for time in side)) for side in times]
    return Interval(
        candidate=middles[0],
        champion=middles[1],
        gain=1 - math.exp(found[0].estimate),
        lower=1 - math.exp(min(upper, most)),
        upper=1 - math.exp(max(lower, -most)),
    )


_ENDS: tuple[End, End] = ("right", "left")


def _steps(time: EventTime, end: End, horizon: int, late: bool) -> int:
    """Clip a time to [1, horizon]; a censored run counts as the horizon if `late`."""
    steps = horizon if time.censored and late else time.at(end)
    return max(1, min(steps, horizon))


def _differences(first: Sequence[float], second: Sequence[float], paired: bool) -> list[list[float]]:
    """Pairwise differences in a single row if paired, else a row for each of the first."""
    if paired:
        return [[one - other for one, other in zip(first, second, strict=True)]]
    return [[one - other for other in second] for one in first]


def _shifted(ends: Sequence[list[list[float]]], confidence: float, paired: bool) -> Shift:
    low, high = ends
    return paired_shift(low[0], high[0], confidence) if paired else shift(low, high, confidence)
