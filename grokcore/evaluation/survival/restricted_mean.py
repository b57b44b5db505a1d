"""The restricted mean: the steps that a run needs on average, none counted beyond a common horizon.

Unlike the median it needs no half of the runs to get there, and unlike a hazard ratio it has a unit (Royston and
Parmar, BMC Med. Res. Methodol. 13, 152, 2013). It depends on the horizon, which is always told with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from grokcore.evaluation.survival.kaplan_meier import kaplan_meier
from grokcore.evaluation.survival.times import End, Reached

RESAMPLES = 2000


@dataclass(frozen=True)
class Mean:
    """A restricted mean in steps.

    Attributes:
        horizon: the step from which on a run counts as taking just so long.
        lower, upper: limits of a percentile bootstrap over runs. Of few runs they are too narrow; of one they are none.
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


def restricted_mean(
    times: Sequence[Reached], horizon: int, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Mean:
    """The mean of min(time, horizon) by the Kaplan-Meier estimate, with a bootstrap interval over runs.

    Args:
        horizon: at most `common_horizon` of the samples that are compared; beyond the longest time known of this one,
            its curve is taken to stay where it is.
        seed: of the resampling; equal arguments give equal limits.
    """
    value, left = _area(times, horizon, "right"), _area(times, horizon, "left")
    if len(times) < 2:
        return Mean(value, horizon, None, None, left)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(times), np.full(len(times), 1 / len(times)), size=resamples)
    low, high = np.quantile(restricted_means(times, horizon, drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Mean(value, horizon, float(low), float(high), left)


def restricted_means(times: Sequence[Reached], horizon: int, drawn: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The restricted means of many samples at once, as in a bootstrap; times at the right ends of their intervals.

    Args:
        drawn: [samples, times], how often each time is in a sample.

    Returns:
        Steps, one for each sample.
    """
    step = np.array([time.step for time in times])
    reached = np.array([not time.censored for time in times])
    steps = np.unique(step[reached & (step < horizon)])
    events = drawn @ ((step[:, None] == steps) & reached[:, None])
    at_risk = drawn @ (step[:, None] >= steps)
    share = np.cumprod(1 - events / np.maximum(at_risk, 1), axis=1)
    widths = np.diff(np.append(steps, horizon))
    first = steps[0] if len(steps) else horizon
    areas: npt.NDArray[np.float64] = first + share @ widths
    return areas


def _area(times: Sequence[Reached], horizon: int, end: End) -> float:
    """Below the curve, from 0 to the horizon."""
    curve = kaplan_meier(times, end=end)
    steps = [0, *(step for step in curve.steps if step < horizon), horizon]
    return float(sum(curve.at(start) * (stop - start) for start, stop in pairwise(steps)))
