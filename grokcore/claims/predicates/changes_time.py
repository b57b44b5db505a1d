"""Something makes runs grok later, sooner, or makes no difference that matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.factors import Factor
from grokcore.claims.predicates.finding import Finding, factor_text, p_text, runs, seeds
from grokcore.evaluation.curves import accuracy_of
from grokcore.evaluation.survival import Definition, Effect, Reached, Timed, effect_of, follow_up, potential, times_of

if TYPE_CHECKING:
    from grokcore.claims.strata import Member, Stratum
    from grokcore.evaluation.records import RunRecord

Direction = Literal["later", "sooner", "no_sooner", "alike"]
Region = tuple[float, float]

MARGIN = 1.25
"""Times that differ by less than this factor are alike, in claims that say so."""
SLIGHT = 1.1
"""An effect that is surely less than this factor is none, in claims that say there is one."""


class ChangesTime(Part):
    """The ratio of times to grok, from the lowest to the highest setting, lies where the claim says.

    Judged by the ratio's interval, which is that of an exact test within strata (`effect_of`): 3 seeds against 3 set no
    limits at all. Reproduced if the whole interval lies where the claim puts it (`later`: above 1; `sooner`: below 1;
    `alike`: within a factor 1.25 of 1; `no_sooner`: above 1/1.25); else refuted if the whole interval lies where the
    claim cannot be (`later`: below 1.1; `sooner`: above 1/1.1; `alike`: beyond 1.25 or below 1/1.25; `no_sooner`:
    below 1).
    """

    VERSION: ClassVar[int] = 1

    kind: Literal["changes_time"] = "changes_time"
    direction: Direction
    split: str
    definition: Definition | Literal["half_way"] = Field(
        "sustained", description="half_way: first at the middle between always giving the most common answer and 1"
    )
    unit: Literal["steps", "examples"] = Field("steps", description="what times are counted in")

    def judge(self, factor: Factor, strata: Sequence[Stratum], alpha: float) -> Finding:
        timed = [self._timed(stratum) for stratum in strata]
        samples = [sample for sample in timed if len({run.setting for run in sample}) > 1]
        if not samples:
            return Finding("underpowered", "no groups to compare have the split", needs=("groups to compare",))
        effect = effect_of(samples, alpha=alpha)
        ends = _words_of_ends(factor, strata)
        told = self._sentence(effect, ends, samples)
        numbers = {
            "ratio": effect.ratio,
            "ratio_lower": effect.lower,
            "ratio_upper": effect.upper,
            "p_left_ends": effect.p_left,
            "p_worst_ends": effect.p_worst,
            "p_least_possible": effect.least,
        }
        interval = effect.lower or 0.0, effect.upper or math.inf
        if any(_inside(interval, region) for region in _CLAIMED[self.direction]):
            return Finding("reproduced", told, numbers, effect.p)
        if any(_inside(interval, region) for region in _EXCLUDED[self.direction]):
            return Finding("refuted", told, numbers, effect.p)
        return Finding("underpowered", told, numbers, effect.p, _needs(effect, samples, self.direction, alpha))

    def _timed(self, stratum: Stratum) -> list[Timed]:
        return [timed for member in stratum.members for timed in self._of_member(member)]

    def _of_member(self, member: Member) -> list[Timed]:
        group = [run for run in member.group.runs if self.split in run.evaluation.held_out]
        if self.definition == "half_way":
            times = [half_way(run, self.split) for run in group]
        else:
            times = times_of(group, self.split, self.definition)
        each = member.group.spec.training.batch_size if self.unit == "examples" else 1
        return [
            Timed(
                member.level,
                replace(time, step=time.step * each, after=(time.after or 0) * each),
                each * potential(run),
            )
            for time, run in zip(times, group, strict=True)
        ]

    def _sentence(self, effect: Effect, ends: tuple[str, str], samples: Sequence[Sequence[Timed]]) -> str:
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
        where = f" in {len(samples)} settings" if len(samples) > 1 else ""
        return (
            f"{second} against {first}: {best} the {self.unit} {goal} {self.split} "
            f"({limits}; {p_text(effect.p)}, {runs(sum(map(len, samples)))}{where})"
        )


def half_way(run: RunRecord, split: str) -> Reached:
    """The first evaluation at which a split is half-way from its majority baseline to 1: its early spike, if any."""
    level = (1 + run.evaluation.splits[split].majority_baseline) / 2
    before = 0
    for line, value in zip(run.journal, accuracy_of(run.journal, split), strict=True):
        if value is not None and value >= level:
            return Reached(line["step"], after=before)
        before = line["step"]
    return Reached(follow_up(run), censored=True)


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


def _words_of_ends(factor: Factor, strata: Sequence[Stratum]) -> tuple[str, str]:
    members = sorted((member for stratum in strata for member in stratum.members), key=lambda member: member.level)
    return factor.words(members[0].fields), factor.words(members[-1].fields)


def _needs(effect: Effect, samples: Sequence[Sequence[Timed]], direction: Direction, alpha: float) -> tuple[str, ...]:
    """What would decide it, as far as that can be foreseen from the runs that there are."""
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


def _seeds_missing(samples: Sequence[Sequence[Timed]], alpha: float) -> int:
    """Seeds that each group of each stratum needs for the smallest possible p to reach `alpha`."""
    for more in count(1):
        arrangements = 1
        for runs_ in samples:
            levels = [sum(run.setting == level for run in runs_) + more for level in {run.setting for run in runs_}]
            arrangements *= math.factorial(sum(levels)) // math.prod(map(math.factorial, levels))
        if 2 / arrangements <= alpha:
            return more
    raise AssertionError("unreachable: arrangements grow without limit")
