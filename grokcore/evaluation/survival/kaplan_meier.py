"""The Kaplan-Meier estimate of how many runs take longer than a step, its band, and its median.

A run that ended before it grokked has a time to grok too: a longer one than it ran. Leaving such runs out would make
every time look short; the estimate (Kaplan and Meier, J. Am. Stat. Assoc. 53, 457, 1958) uses what is known.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from grokcore.evaluation.survival.times import End, Reached, ended


@dataclass(frozen=True)
class Survival:
    """A step function: at `steps[i]` the share of runs that take longer falls to `share[i]`; before, it is 1.

    Attributes:
        lower, upper: pointwise confidence limits of `share`.
        at_risk: runs that had neither reached it nor ended before `steps[i]`.
        last: the longest time known, up to which the estimate says anything.
    """

    steps: tuple[int, ...]
    share: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    at_risk: tuple[int, ...]
    last: int

    def at(self, step: float) -> float:
        """The share of runs that take longer than `step`."""
        place = bisect_right(self.steps, step)
        return self.share[place - 1] if place else 1.0


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
    """The estimate with a pointwise band.

    The band is Greenwood's variance on the scale of log(-log S), which stays within [0, 1] (Kalbfleisch and Prentice,
    1980). Once no run is left that scale has no variance: there the upper limit is that of the step before, or the
    exact binomial one where all fell at once.

    Args:
        times: of at least one run.
        end: of the intervals in which changes lie; right, as first seen, unless the width of intervals is in question.
    """
    sample = ended(times, end)
    z, tail = NormalDist().inv_cdf(0.5 + confidence / 2), (1 - confidence) / 2
    lower: list[float] = []
    upper: list[float] = []
    variance = 0.0  # of log S: Greenwood's sum of d / (n (n - d))
    rows = _table(sample)
    shares = [float(share) for _, share in survival(sample)]
    for (_, reached, at_risk), share in zip(rows, shares, strict=True):
        if share > 0:
            variance += reached / (at_risk * (at_risk - reached))
            spread = z * math.sqrt(variance) / abs(math.log(share))
            lower.append(share ** math.exp(spread))
            upper.append(share ** math.exp(-spread))
        else:
            lower.append(0.0)
            upper.append(upper[-1] if upper else 1 - tail ** (1 / at_risk))
    return Survival(
        steps=tuple(step for step, _, _ in rows),
        share=tuple(shares),
        lower=tuple(lower),
        upper=tuple(upper),
        at_risk=tuple(at_risk for _, _, at_risk in rows),
        last=max(time.step for time in sample),
    )


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


def median_interval(curve: Survival) -> tuple[int | None, int | None]:
    """Confidence limits of the median: the steps at which the band's limits fall to one half or below.

    None for a limit that never does: above it nothing is known (Brookmeyer and Crowley, Biometrics 38, 29, 1982).
    """

    def first(limits: Sequence[float]) -> int | None:
        return next((step for step, limit in zip(curve.steps, limits, strict=True) if limit <= 0.5), None)

    return first(curve.lower), first(curve.upper)
