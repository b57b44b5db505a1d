"""The Kaplan-Meier estimate of the share of runs that take longer than a step: band, median, restricted mean, delay.

A run that ended before its event is censored: its time is longer than it ran. Leaving such runs out would make every
time look short; the estimate (Kaplan and Meier, J. Am. Stat. Assoc. 53, 457, 1958) uses what is known.

The restricted mean is the mean of steps up to a common horizon. Unlike the median it does not need events in half of
the runs, and unlike a hazard ratio it has a unit (Royston and Parmar, BMC Med. Res. Methodol. 13, 152, 2013). It
depends on the horizon, which is always given with it.

The delay is T_split / T_train: how many times as late as the training set a split is sustained.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from grokcore.evaluation.survival.binomial import clopper_pearson, kolmogorov_width, median_place
from grokcore.evaluation.survival.times import TRAIN, Definition, End, EventTime, ended, times_of

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord


@dataclass(frozen=True)
class Survival:
    """A step function: at `steps[i]` the share of runs that take longer falls to `share[i]`; before, it is 1.

    Attributes:
        lower, upper: pointwise confidence limits of `share`, from the step to the next.
        at_risk: runs with neither an event nor an end before `steps[i]`.
        last: the longest time, up to which the estimate is defined.
        lowest: lower limit of the share before the first step.
    """

    steps: tuple[int, ...]
    share: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    at_risk: tuple[int, ...]
    last: int
    lowest: float

    def at(self, step: float) -> float:
        """The share of runs that take longer than `step`."""
        place = bisect_right(self.steps, step)
        return self.share[place - 1] if place else 1.0

    def limits(self, step: float) -> tuple[float, float]:
        """Confidence limits of that share."""
        place = bisect_right(self.steps, step)
        return (self.lower[place - 1], self.upper[place - 1]) if place else (self.lowest, 1.0)


def survival(times: Iterable[EventTime]) -> list[tuple[int, Fraction]]:
    """The exact estimate: at each step with an event, the share of runs that take longer.

    S(t) is the product over event times t_i <= t of 1 - d_i / n_i: d_i runs have their event at t_i, out of n_i with
    neither an event nor an end before t_i. A run that ended at t_i itself counts as one of these n_i.
    """
    share, estimate = Fraction(1), []
    for step, reached, at_risk in _table(list(times)):
        share *= 1 - Fraction(reached, at_risk)
        estimate.append((step, share))
    return estimate


def kaplan_meier(times: Sequence[EventTime], *, confidence: float = 0.95, end: End = "right") -> Survival:
    """The estimate with a pointwise band that covers for any number of runs.

    The limits are exact binomial ones (Clopper-Pearson) of the share that takes longer, at any one step chosen
    beforehand. A run that ended early, for whatever reason, may have had its event at once (lower limit) or never
    (upper limit). Greenwood's variance, which assumes many runs, is too narrow for a handful.

    Args:
        times: of at least one run.
        end: of the intervals in which changes lie; right, as first seen, unless the width of intervals is in question.
    """
    sample = ended(times, end)
    rows, last = _table(sample), max(time.step for time in sample)
    steps = [step for step, _, _ in rows]
    limits = [
        (
            clopper_pearson(sum(_surely_later(time, step, until) for time in sample), len(sample), confidence)[0],
            clopper_pearson(sum(time.censored or time.step > step for time in sample), len(sample), confidence)[1],
        )
        for step, until in pairwise([0, *steps, last])
    ]
    return Survival(
        steps=tuple(steps),
        share=tuple(float(share) for _, share in survival(sample)),
        lower=tuple(low for low, _ in limits[1:]),
        upper=tuple(high for _, high in limits[1:]),
        at_risk=tuple(at_risk for _, _, at_risk in rows),
        last=last,
        lowest=limits[0][0],
    )


def _surely_later(time: EventTime, step: int, until: int) -> bool:
    """Whether a run is known to have had no event from `step` to `until`."""
    return time.step >= until if time.censored else time.step > step


def _table(times: Sequence[EventTime]) -> list[tuple[int, int, int]]:
    """Per step with an event: the step, number of events, number at risk."""
    reached = Counter(time.step for time in times if not time.censored)
    return [(step, reached[step], sum(time.step >= step for time in times)) for step in sorted(reached)]


def median_time(times: Sequence[EventTime]) -> EventTime:
    """Find the first step by which half the runs or more have had their event, by the Kaplan-Meier estimate.

    Where the estimate stays above one half, all that is known is that the median lies beyond the last step of any run.
    """
    for step, share in survival(times):
        if share <= Fraction(1, 2):
            return EventTime(step)
    return EventTime(max(time.step for time in times), censored=True)


def median_interval(times: Sequence[EventTime], *, confidence: float = 0.95) -> tuple[int | None, int | None]:
    """Limits of the median in steps, by order statistics: they cover whatever the distribution of times.

    A run that ended early may have had its event at once (lower limit) or never (upper limit), and an event may lie
    anywhere between two evaluations. Fewer than 6 runs set no 95 % limits; a limit is None where it lies beyond the
    observed times.
    """
    place = median_place(len(times), confidence)
    if not place:
        return None, None
    earliest = sorted(time.at("left") for time in times)
    latest = sorted(time.step for time in times if not time.censored)
    highest = len(times) - place
    return earliest[place - 1], latest[highest] if highest < len(latest) else None


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


def common_horizon(samples: Sequence[Sequence[EventTime]]) -> int:
    """The last step up to which every sample's curve is known: the shortest of the longest times that are censored.

    A sample whose longest time was reached has a curve that stays at 0, and sets no limit.
    """
    limits = []
    for times in samples:
        longest = max(times, key=lambda time: (time.step, time.censored))
        if longest.censored:
            limits.append(longest.step)
    return min(limits, default=max(time.step for times in samples for time in times))


def restricted_mean(times: Sequence[EventTime], horizon: int, *, confidence: float = 0.95) -> Mean:
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


def _limits(times: Sequence[EventTime], horizon: int, confidence: float) -> tuple[float | None, float | None]:
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


def _area(times: Sequence[EventTime], horizon: int, end: End) -> float:
    """Below the curve, from 0 to the horizon."""
    curve = kaplan_meier(times, end=end)
    steps = [0, *(step for step in curve.steps if step < horizon), horizon]
    return float(sum(curve.at(start) * (stop - start) for start, stop in pairwise(steps)))


_PARTS = 1000
"""Ratios are counted in thousandths."""


@dataclass(frozen=True)
class Delay:
    """T_split / T_train over runs.

    Attributes:
        median: Kaplan-Meier; `censored` where half the runs take longer than that.
        lowest, highest: of the ratios that were seen; None where none was.
        runs: that memorized; of others there is no ratio.
        reached: of these, how many reached the split.
    """

    median: float | None
    censored: bool
    lowest: float | None
    highest: float | None
    runs: int
    reached: int


def delay_of(runs: Sequence[RunRecord], split: str, definition: Definition = "sustained") -> Delay:
    """Estimate the delay of a held-out split; runs without a sustained split are censored at their follow-up."""
    ratios = [
        EventTime(round(_PARTS * time.step / trained.step), time.censored)
        for time, trained in zip(times_of(runs, split, definition), times_of(runs, TRAIN, definition), strict=True)
        if not trained.censored and trained.step > 0
    ]
    if not ratios:
        return Delay(None, False, None, None, 0, 0)
    middle = median_time(ratios)
    seen = [ratio.step / _PARTS for ratio in ratios if not ratio.censored]
    return Delay(
        median=middle.step / _PARTS,
        censored=middle.censored,
        lowest=min(seen, default=None),
        highest=max(seen, default=None),
        runs=len(ratios),
        reached=len(seen),
    )
