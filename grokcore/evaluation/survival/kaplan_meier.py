"""The Kaplan-Meier estimate of how many runs take longer than a step, its band, and its median.

A run that ended before it grokked has a time to grok too: a longer one than it ran. Leaving such runs out would make
every time look short; the estimate (Kaplan and Meier, J. Am. Stat. Assoc. 53, 457, 1958) uses what is known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from grokcore.evaluation.survival.binomial import clopper_pearson, median_place
from grokcore.evaluation.survival.times import End, Reached, ended


@dataclass(frozen=True)
class Survival:
    """A step function: at `steps[i]` the share of runs that take longer falls to `share[i]`; before, it is 1.

    Attributes:
        lower, upper: pointwise confidence limits of `share`, from the step to the next.
        at_risk: runs that had neither reached it nor ended before `steps[i]`.
        last: the longest time known, up to which the estimate says anything.
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


def survival(times: Iterable[Reached]) -> list[tuple[int, Fraction]]:
    """The estimate, exactly: at each step where something was reached, the share of runs that take longer.

    S(t) is the product over reached times t_i <= t of 1 - d_i / n_i: d_i runs reached it at t_i, out of n_i that had
    neither reached it nor ended before t_i. A run that ended at t_i itself counts as one of these n_i.
    """
    share, estimate = Fraction(1), []
    for step, reached, at_risk in _table(list(times)):
        share *= 1 - Fraction(reached, at_risk)
        estimate.append((step, share))
    return estimate


def kaplan_meier(times: Sequence[Reached], *, confidence: float = 0.95, end: End = "right") -> Survival:
    """The estimate with a pointwise band that covers for any number of runs.

    The limits are exact binomial ones (Clopper-Pearson) of the share that takes longer, at any one step chosen
    beforehand. A run that ended early, for whatever reason, may have got there at once (lower limit) or never (upper
    limit). Greenwood's variance, which assumes many runs, promises too much for a handful.

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


def _surely_later(time: Reached, step: int, until: int) -> bool:
    """Whether a run had not got there all the way from `step` to `until`, as far as it was seen."""
    return time.step >= until if time.censored else time.step > step


def _table(times: Sequence[Reached]) -> list[tuple[int, int, int]]:
    """Per step where something was reached: the step, by how many runs, out of how many."""
    reached = Counter(time.step for time in times if not time.censored)
    return [(step, reached[step], sum(time.step >= step for time in times)) for step in sorted(reached)]


def median_time(times: Sequence[Reached]) -> Reached:
    """The first step by which half the runs or more have reached it, by the Kaplan-Meier estimate.

    Where the estimate stays above one half, all that is known is that the median lies beyond the last step of any run.
    """
    for step, share in survival(times):
        if share <= Fraction(1, 2):
            return Reached(step)
    return Reached(max(time.step for time in times), censored=True)


def median_interval(times: Sequence[Reached], *, confidence: float = 0.95) -> tuple[int | None, int | None]:
    """Limits of the median in steps, by order statistics: they cover whatever the distribution of times.

    A run that ended early may have got there at once (lower limit) or never (upper limit), and a change may have come
    anywhere between two evaluations. Fewer than 6 runs set no 95 % limits; a limit is None where it lies beyond what
    was seen.
    """
    place = median_place(len(times), confidence)
    if not place:
        return None, None
    earliest = sorted(time.at("left") for time in times)
    latest = sorted(time.step for time in times if not time.censored)
    highest = len(times) - place
    return earliest[place - 1], latest[highest] if highest < len(latest) else None
