"""The restricted mean: the steps that a run needs on average, none counted beyond a common horizon.

Unlike the median it needs no half of the runs to get there, and unlike a hazard ratio it has a unit (Royston and
Parmar, BMC Med. Res. Methodol. 13, 152, 2013). It depends on the horizon, which is always told with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from grokcore.evaluation.survival.binomial import kolmogorov_width, median_place
from grokcore.evaluation.survival.kaplan_meier import kaplan_meier
from grokcore.evaluation.survival.times import End, Reached


@dataclass(frozen=True)
class Mean:
    """A restricted mean in steps.

    Attributes:
        horizon: the step from which on a run counts as taking just so long.
        lower, upper: 95 % limits, of fewer than 6 runs and where nothing was reached none.
        left: the mean if every change had come at the left end of its interval: evaluations further apart could not
            tell it from `steps`.
    """

    steps: float
    horizon: int
    lower: float | None
    upper: float | None
    left: float


def common_horizon(samples: Sequence[Sequence[Reached]]) -> int:
    """The last step up to which every sample's curve is known: the shortest of the longest times that are censored.

    A sample whose longest time was reached has a curve that stays at 0, and sets no limit.
    """
    limits = []
    for times in samples:
        longest = max(times, key=lambda time: (time.step, time.censored))
        if longest.censored:
            limits.append(longest.step)
    return min(limits, default=max(time.step for times in samples for time in times))


def restricted_mean(times: Sequence[Reached], horizon: int, *, confidence: float = 0.95) -> Mean:
    """The mean of min(time, horizon) by the Kaplan-Meier estimate, with limits that cover for any distribution.

    The limits are the areas below the exact band of Kolmogorov and Smirnov around the share that takes longer
    (Anderson, Stanford technical report 125, 1969). They are wide: a handful of seeds cannot exclude that one in five
    takes until the horizon.

    Args:
        horizon: at most `common_horizon` of the samples that are compared; beyond the longest time known of this one,
            its curve is taken to stay where it is.
    """
    lower, upper = _limits(times, horizon, confidence)
    return Mean(_area(times, horizon, "right"), horizon, lower, upper, _area(times, horizon, "left"))


def _limits(times: Sequence[Reached], horizon: int, confidence: float) -> tuple[float | None, float | None]:
    """None where nothing was reached up to the horizon, or of so few runs that the median has no limits either."""
    number = len(times)
    if not median_place(number, confidence) or all(time.censored or time.step > horizon for time in times):
        return None, None
    width = kolmogorov_width(number, confidence)
    earliest = sorted(min(time.at("left"), horizon) for time in times)
    latest = sorted(horizon if time.censored else min(time.step, horizon) for time in times)
    shares = [1 - place / number for place in range(number + 1)]  # that take longer, from one time to the next
    lower = sum(
        max(share - width, 0.0) * (stop - start)
        for share, (start, stop) in zip(shares, pairwise([0, *earliest, horizon]), strict=True)
    )
    upper = sum(
        min(share + width, 1.0) * (stop - start)
        for share, (start, stop) in zip(shares, pairwise([0, *latest, horizon]), strict=True)
    )
    return lower, upper


def _area(times: Sequence[Reached], horizon: int, end: End) -> float:
    """Below the curve, from 0 to the horizon."""
    curve = kaplan_meier(times, end=end)
    steps = [0, *(step for step in curve.steps if step < horizon), horizon]
    return float(sum(curve.at(start) * (stop - start) for start, stop in pairwise(steps)))
