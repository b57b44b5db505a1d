"""One level of the factor ends with a higher held-out accuracy than the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Check, Decision
from grokcore.claims.conditions import Factor
from grokcore.claims.predicates.results import CheckResult, p_text, seeds
from grokcore.claims.units import Unit, units_of
from grokcore.evaluation.phases import accuracy_of
from grokcore.evaluation.survival import TRAIN, median_time, potential, times_of

if TYPE_CHECKING:
    from grokcore.claims.base import Stratum
    from grokcore.runs.record import RunRecord


class GeneralizesMore(Check):
    """Accuracy on `split` at the end of the shortest run is higher on the second side than on the first.

    Judged by the interval of the shift between the two sides that belongs to the exact Mann-Whitney test (Hodges and
    Lehmann, Ann. Math. Stat. 34, 598, 1963). Supported if it lies above 0; contradicted if it lies below `slight`. Runs
    that `stop_on_grok` ended keep the accuracy that they ended with; a unit has the median of its runs.
    """

    VERSION: ClassVar[int] = 1

    kind: Literal["generalizes_more"] = "generalizes_more"
    split: str
    slight: float = Field(0.01, gt=0, description="a gain whose interval lies below this contradicts the claim")
    patience: float = Field(20.0, description="least length of the shortest run, in median steps to memorize")

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> CheckResult:
        sides = [units_of(stratum, self.split, level=level) for level in (stratum.levels[0], stratum.levels[-1])]
        if not all(sides):
            sentence = "no groups to compare have the split, on a draw of the data that they share"
            return CheckResult("undecided", sentence, needs=("groups to compare",), decidable=False)
        horizon = min(potential(run) for side in sides for unit in side for run in unit.runs)
        first, second = ([self._accuracy(unit, horizon) for unit in side] for side in sides)
        low, high = shift_interval(first, second, alpha)
        p = mann_whitney(first, second)
        gain = median(b - a for a in first for b in second)
        names = [factor.describe(stratum.arms[place].fields) for place in (0, -1)]
        limits = "these runs set no limits" if math.isinf(low) else f"{_points(low)} to {_points(high)}"
        sentence = (
            f"{names[1]} against {names[0]}: {_points(gain)} points of accuracy on {self.split} at step {horizon:,} "
            f"({limits}; {p_text(p)}, {len(first)} against {len(second)} seeds)"
        )
        numbers = {"gain": gain, "gain_lower": _finite(low), "gain_upper": _finite(high), "horizon_steps": horizon}
        decidable = 2 / math.comb(len(first) + len(second), len(first)) <= alpha
        enough = self._steps_needed(sides)
        if enough is None or horizon < enough:
            budget = f"a budget of {self.patience:g} times the steps to memorize" + (
                f": {enough:,.0f}" if enough else ""
            )
            return CheckResult("undecided", f"{sentence}; too short to tell", numbers, p, (budget,), decidable)
        decision: Decision = "supported" if low > 0 else "contradicted" if high < self.slight else "undecided"
        needs: tuple[str, ...] = ()
        if decision == "undecided":
            more = (
                "more seeds: the gain is not distinguished from none"
                if decidable
                else f"{seeds(1)} or more in each group"
            )
            needs = (more,)
        return CheckResult(decision, sentence, numbers, p, needs, decidable)

    def _accuracy(self, unit: Unit, horizon: int) -> float:
        return median(_accuracy_at(run, self.split, horizon) for run in unit.runs)

    def _steps_needed(self, sides: Sequence[Sequence[Unit]]) -> float | None:
        """`patience` in steps, by the side that memorizes later; None where one does not."""
        middles = [median_time(times_of([run for unit in side for run in unit.runs], TRAIN)) for side in sides]
        if any(middle.censored for middle in middles):
            return None
        return self.patience * max(middle.step for middle in middles)


def _accuracy_at(run: RunRecord, split: str, horizon: int) -> float:
    """Accuracy at the last evaluation up to a step; 0 where it was not finite, as in a run that diverged before."""
    accuracy = accuracy_of(run.journal, split)
    values = [value for line, value in zip(run.journal, accuracy, strict=True) if line["step"] <= horizon]
    return values[-1] or 0.0


def shift_interval(first: Sequence[float], second: Sequence[float], alpha: float) -> tuple[float, float]:
    """Confidence limits of the shift of the second sample, from pairwise differences; infinite for too few values."""
    differences = sorted(b - a for a in first for b in second)
    counts = _mann_whitney_counts(len(first), len(second))
    total, tail, cut = sum(counts), 0, 0
    for count in counts:
        tail += count
        if tail / total > alpha / 2:
            break
        cut += 1
    return (differences[cut - 1], differences[-cut]) if cut else (-math.inf, math.inf)


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided exact p of the Mann-Whitney test; ties count half, rounded towards no difference."""
    counts = _mann_whitney_counts(len(first), len(second))
    above = sum((b > a) + 0.5 * (b == a) for a in first for b in second)
    least = math.ceil(min(above, len(first) * len(second) - above))
    return min(1.0, 2 * sum(counts[: least + 1]) / sum(counts))


@lru_cache
def _mann_whitney_counts(first: int, second: int) -> tuple[int, ...]:
    """Number of orders of two samples in which `place` pairs have the second one above (Mann and Whitney 1947)."""
    if not first or not second:
        return (1,)
    counts = [0] * (first * second + 1)
    for place, count in enumerate(_mann_whitney_counts(first, second - 1)):
        counts[place + first] += count  # the largest of all is of the second sample: above all of the first
    for place, count in enumerate(_mann_whitney_counts(first - 1, second)):
        counts[place] += count
    return tuple(counts)


def _points(share: float) -> str:
    return f"{100 * share:+.2g}"


def _finite(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None
