"""Runs do not grok within a budget: a claim that one run refutes, and that only ever holds up to the budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Check
from grokcore.claims.conditions import Factor
from grokcore.claims.predicates.counts import upper_tail
from grokcore.claims.predicates.grokking import grok_time, outcome_of
from grokcore.claims.predicates.results import CheckResult, Number, seeds, steps, units
from grokcore.claims.units import Unit, units_of
from grokcore.evaluation.survival import Definition, follow_up

if TYPE_CHECKING:
    from grokcore.claims.base import Stratum


@dataclass(frozen=True)
class _Reference:
    """The runs that set the budget: `grokked` of `number` units, the last at `slowest` steps."""

    grokked: int
    number: int
    slowest: int

    @property
    def groks(self) -> bool:
        return 0 < self.number <= 2 * self.grokked


class NeverGroks(Check):
    """No run of one side groks `split`, in `budget` times what the slowest run of the reference takes.

    Contradicted by a single run that groks: the claim leaves no room for it. Supported once so many units have trained
    for the whole budget in vain that it would be chance at `alpha`

    - if half of all runs would grok by then: .5^n, 5 units at .05;
    - if times were distributed as `budget` times those of the reference: the k-th of m of these lies before all n
      others with probability C(m - k + n, n) / C(m + n, n), since what sets the budget is itself a draw.

    Half the reference has to grok, or it sets no budget. A run that reaches the threshold along with the training set
    (`outcome_of`) neither groks nor trains in vain.
    """

    VERSION: ClassVar[int] = 3

    kind: Literal["never_groks"] = "never_groks"
    split: str
    side: Literal["first", "second"] = Field("second", description="the side that never groks; the other one sets time")
    definition: Definition = "sustained"
    budget: float = Field(3.0, description="in times of the reference; LLaMA took 3 times as long as GPT-2")
    reference: str | None = Field(
        None, description="the reference is the other side on `split`, or the same runs on the split named here"
    )

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> CheckResult:
        level = stratum.levels[-1 if self.side == "second" else 0]
        judged = units_of(stratum, self.split, level=level)
        reference = self._reference(stratum)
        limit = self.budget * reference.slowest if reference.groks else None
        outcomes = [self._outcome(unit, limit) for unit in judged]
        return self._finding(outcomes, reference, limit, alpha)

    def _outcome(self, unit: Unit, limit: float | None) -> Literal["grokked", "generalized", "in vain", "short"]:
        outcomes = {outcome_of(run, self.split, self.definition) for run in unit.runs}
        if "grokked" in outcomes:
            return "grokked"
        if "generalized" in outcomes:
            return "generalized"
        return "in vain" if limit is not None and all(follow_up(run) >= limit for run in unit.runs) else "short"

    def _reference(self, stratum: Stratum) -> _Reference:
        """Find the runs that set the budget in this stratum, if half of them grokked."""
        if self.reference is None and len(stratum.levels) < 2:
            return _Reference(0, 0, 0)
        judged, other = (-1, 0) if self.side == "second" else (0, -1)
        level = stratum.levels[other if self.reference is None else judged]
        split = self.reference or self.split
        times = [
            max((grok_time(run, split, self.definition) for run in unit.runs), key=lambda one: (one.censored, one.step))
            for unit in units_of(stratum, split, level=level)
        ]
        grokked = [time.step for time in times if not time.censored]
        return _Reference(len(grokked), len(times), max(grokked, default=0))

    def _finding(
        self, outcomes: Sequence[str], reference: _Reference, limit: float | None, alpha: float
    ) -> CheckResult:
        grokked, generalized, vain, short = map(outcomes.count, ("grokked", "generalized", "in vain", "short"))
        numbers: dict[str, Number] = {
            "grokked": grokked,
            "generalized": generalized,
            "trained_in_vain": vain,
            "too_short": short,
            "budget_steps": limit,
        }
        if grokked:
            sentence = f"{grokked} of {units(len(outcomes))} grokked {self.split} all the same"
            return CheckResult("contradicted", sentence, numbers)
        aside = f"; {units(generalized)} reached it along with the training set" if generalized else ""
        decidable = _chance(len(outcomes), replace(reference, grokked=reference.number)) <= alpha
        if limit is None:
            sentence = f"there is no reference of which half grokked: {units(vain + short)} alone say little{aside}"
            need = ("a reference that groks in the same setting",)
            return CheckResult("undecided", sentence, numbers, needs=need, decidable=decidable)
        p = _chance(vain, reference)
        slowest = f"the slowest of {units(reference.number)} to compare with"
        within = f"{steps(limit)}, {self.budget:g} times what {slowest} takes"
        sentence = f"none of {units(vain)} grokked {self.split} within {within}"
        if not vain:
            sentence = f"no run has trained for {within}, to tell whether it groks {self.split}"
        elif short:
            sentence += f"; {units(short)} too short to tell"
        sentence += aside
        if vain and p <= alpha:
            return CheckResult("supported", f"{sentence}: it holds up to that budget", numbers, p)
        more = _more(vain, reference, alpha)
        needs = [f"a budget of {steps(limit)} for {units(min(short, more))}"] if short else []
        needs += [seeds(more - short)] if more > short else []
        return CheckResult("undecided", sentence, numbers, p, tuple(needs), decidable)


def _chance(vain: int, reference: _Reference) -> float:
    """The larger of the two probabilities that so many units train in vain by chance."""
    behind = reference.number - reference.grokked
    before_all = math.comb(behind + vain, vain) / math.comb(reference.number + vain, vain)
    return max(upper_tail(vain, vain), before_all)


def _more(vain: int, reference: _Reference, alpha: float) -> int:
    """Find the smallest number of further units that decide, if all train in vain."""
    more = 0
    while _chance(vain + more, reference) > alpha and more < 99:
        more += 1
    return more
