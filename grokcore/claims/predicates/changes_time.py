"""A factor makes runs grok later, sooner, or at about the same time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Check
from grokcore.claims.conditions import Factor
from grokcore.claims.predicates.grokking import grok_time, outcome_of
from grokcore.claims.predicates.results import CheckResult, factor_text, p_text, runs, seeds
from grokcore.claims.units import Unit, blocks_of, units_of
from grokcore.evaluation.phases import accuracy_of
from grokcore.evaluation.survival import (
    Definition,
    Effect,
    EventTime,
    Observation,
    effect_of,
    follow_up,
    median_time,
    potential,
)
from grokcore.evaluation.units import UNIT_NAMES, TimeUnit, in_ticks, is_known, ticks_at

if TYPE_CHECKING:
    from grokcore.claims.base import Stratum
    from grokcore.runs.record import RunRecord

Direction = Literal["later", "sooner", "no_sooner", "alike"]
Region = tuple[float, float]

MARGIN = 1.25
"""Times that differ by less than this factor are alike, in claims of no difference."""
SLIGHT = 1.1
"""An effect whose interval lies below this factor contradicts a claim of an effect."""


class ChangesTime(Check):
    """The ratio of times to grok, from the lowest to the highest setting, lies where the claim says.

    Judged by the ratio's interval, which is that of an exact test (`effect_of`): 3 seeds against 3 set no limits at
    all. Supported if the whole interval lies where the claim puts it (`later`: above 1; `sooner`: below 1; `alike`:
    within a factor 1.25 of 1; `no_sooner`: above 1/1.25); else contradicted if the whole interval lies where the claim
    cannot be (`later`: below 1.1; `sooner`: above 1/1.1; `alike`: beyond 1.25 or below 1/1.25; `no_sooner`: below 1).
    A run that reaches the threshold along with the training set (`outcome_of`) has not grokked: it is censored at its
    budget; and where such runs outnumber those that grok in one setting, the claim is undecided. A unit of several runs
    has the Kaplan-Meier median of their times.
    """

    VERSION: ClassVar[int] = 3

    kind: Literal["changes_time"] = "changes_time"
    direction: Direction
    split: str
    definition: Definition | Literal["half_way"] = Field(
        "sustained",
        description="half_way: first at the middle between always giving the most common answer and 1; it is not a "
        "time to grok, and need not be late",
    )
    unit: TimeUnit = Field("steps", description="unit of the times, each with the cost of what a run starts from")

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> CheckResult:
        compared = units_of(stratum, self.split)
        if not all(is_known(run, self.unit) for unit in compared for run in unit.runs):
            sentence = f"some runs did not count {UNIT_NAMES[self.unit]}"
            return CheckResult("undecided", sentence, needs=(f"runs that count {UNIT_NAMES[self.unit]}",))
        samples = [self._timed(block) for block in blocks_of(compared)] if compared else []
        samples = [sample for sample in samples if len({run.setting for run in sample}) > 1]
        if not samples:
            sentence = "no groups to compare have the split, on a draw of the data that they share"
            return CheckResult("undecided", sentence, needs=("groups to compare",), decidable=False)
        effect = effect_of(samples, alpha=alpha)
        sentence = self._sentence(effect, _names_of_ends(factor, stratum), samples)
        numbers = {
            "ratio": effect.ratio,
            "ratio_lower": effect.lower,
            "ratio_upper": effect.upper,
            "p_left_ends": effect.p_left,
            "p_worst_ends": effect.p_worst,
            "p_least_possible": effect.least,
        }
        decidable = effect.least <= alpha
        early = self._early(compared)
        if early:
            need = ("settings in which held-out accuracy comes at least twice as late as the training set",)
            return CheckResult("undecided", f"{sentence}; {early}", numbers, effect.p, need, decidable)
        interval = effect.lower or 0.0, effect.upper or math.inf
        if any(_inside(interval, region) for region in _CLAIMED[self.direction]):
            return CheckResult("supported", sentence, numbers, effect.p)
        if any(_inside(interval, region) for region in _EXCLUDED[self.direction]):
            return CheckResult("contradicted", sentence, numbers, effect.p)
        needs = _needs(effect, samples, self.direction, alpha)
        return CheckResult("undecided", sentence, numbers, effect.p, needs, decidable)

    def _early(self, compared: Sequence[Unit]) -> str:
        """Say in which setting more runs merely generalized than grokked; empty if there is none."""
        if self.definition == "half_way":
            return ""
        for level in sorted({unit.level for unit in compared}):
            runs_ = [run for unit in compared if unit.level == level for run in unit.runs]
            outcomes = [outcome_of(run, self.split, self.definition) for run in runs_]
            generalized, grokked = outcomes.count("generalized"), outcomes.count("grokked")
            if generalized > grokked:
                return (
                    f"{generalized} of {runs(generalized + grokked)} of a setting reached the threshold along with the "
                    "training set, which is not grokking"
                )
        return ""

    def _timed(self, block: Sequence[Unit]) -> list[Observation]:
        return [
            Observation(
                unit.level,
                self._time(unit),
                max(ticks_at(run, potential(run), self.unit) for run in unit.runs),
            )
            for unit in block
        ]

    def _time(self, unit: Unit) -> EventTime:
        if self.definition == "half_way":
            times = [half_way(run, self.split) for run in unit.runs]
        else:
            times = [grok_time(run, self.split, self.definition) for run in unit.runs]
        times = [in_ticks(run, time, self.unit) for run, time in zip(unit.runs, times, strict=True)]
        if len(times) == 1:
            return times[0]
        middle = median_time(times)
        return next(time for time in times if time.step == middle.step)

    def _sentence(self, effect: Effect, ends: tuple[str, str], samples: Sequence[Sequence[Observation]]) -> str:
        first, second = ends
        low, high = (None if limit is None else factor_text(limit) for limit in (effect.lower, effect.upper))
        if low and high:
            limits = f"{low} to {high}"
        elif low or high:
            limits = f"at least {low}" if low else f"at most {high}"
        else:
            limits = "these runs set no limits"
        best = f"{factor_text(effect.ratio)} times" if effect.ratio is not None else "an unknown multiple of"
        goal = "to the half-way point of" if self.definition == "half_way" else "to grok"
        where = f" on {len(samples)} draws of the data" if len(samples) > 1 else ""
        return (
            f"{second} against {first}: {best} the {UNIT_NAMES[self.unit]} {goal} {self.split} "
            f"({limits}; {p_text(effect.p)}, {_sizes(samples)}{where})"
        )


def _sizes(samples: Sequence[Sequence[Observation]]) -> str:
    """`5 against 5 seeds`, in the order of the settings."""
    counts = Counter(run.setting for sample in samples for run in sample)
    return f"{' against '.join(str(counts[setting]) for setting in sorted(counts))} seeds"


def half_way(run: RunRecord, split: str) -> EventTime:
    """Find the first evaluation at which a split is half-way from its majority baseline to 1: its early spike."""
    level = (1 + run.evaluation.splits[split].majority_baseline) / 2
    before = 0
    for line, value in zip(run.journal, accuracy_of(run.journal, split), strict=True):
        if value is not None and value >= level:
            return EventTime(line["step"], after=before)
        before = line["step"]
    return EventTime(follow_up(run), censored=True)


_CLAIMED: dict[Direction, list[Region]] = {
    "later": [(1, math.inf)],
    "sooner": [(0, 1)],
    "no_sooner": [(1 / MARGIN, math.inf)],
    "alike": [(1 / MARGIN, MARGIN)],
}
_EXCLUDED: dict[Direction, list[Region]] = {
    "later": [(0, SLIGHT)],
    "sooner": [(1 / SLIGHT, math.inf)],
    "no_sooner": [(0, 1)],
    "alike": [(0, 1 / MARGIN), (MARGIN, math.inf)],
}


def _inside(interval: Region, region: Region) -> bool:
    above = region[0] == 0 or region[0] < interval[0]
    return above and (region[1] == math.inf or interval[1] < region[1])


def _names_of_ends(factor: Factor, stratum: Stratum) -> tuple[str, str]:
    arms = sorted(stratum.arms, key=lambda arm: arm.level)
    return factor.describe(arms[0].fields), factor.describe(arms[-1].fields)


def _needs(
    effect: Effect, samples: Sequence[Sequence[Observation]], direction: Direction, alpha: float
) -> tuple[str, ...]:
    """Estimate what would decide the claim, from the runs that there are."""
    if effect.least > alpha:
        return (f"{seeds(_seeds_missing(samples, alpha))} in each group: so few cannot differ by more than chance",)
    if effect.ratio is None or effect.lower is None or effect.upper is None:
        return ("a longer budget, or more seeds: too few runs grok for the factor to have limits",)
    edges = [edge for region in (*_CLAIMED[direction], *_EXCLUDED[direction]) for edge in region if 0 < edge < math.inf]
    distance = min(abs(math.log(effect.ratio / edge)) for edge in edges)
    half = math.log(effect.upper / effect.lower) / 2
    times = (half / max(distance, 1e-3)) ** 2
    if times > 20:
        return ("many more seeds: the factor lies close to where the verdict changes",)
    return (f"about {max(times, 1.2):.1f} times as many seeds, if the factor stays as it is",)


def _seeds_missing(samples: Sequence[Sequence[Observation]], alpha: float) -> int:
    """Count the seeds that each group still needs for the smallest possible p to reach `alpha`."""
    for more in count(1):
        arrangements = 1
        for runs_ in samples:
            levels = [sum(run.setting == level for run in runs_) + more for level in {run.setting for run in runs_}]
            arrangements *= math.factorial(sum(levels)) // math.prod(map(math.factorial, levels))
        if 2 / arrangements <= alpha:
            return more
    raise AssertionError("unreachable: arrangements grow without limit")
