"""Runs do not grok, though they had time enough: what can be refuted, but only ever holds up to a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.factors import Factor
from grokcore.claims.predicates.finding import Finding, Number, runs, seeds, steps
from grokcore.claims.predicates.shares import more_runs, upper_tail
from grokcore.evaluation.survival import Definition, follow_up, median_time, times_of

if TYPE_CHECKING:
    from grokcore.claims.strata import Stratum
    from grokcore.evaluation.records import RunRecord


class NeverGroks(Part):
    """No run of the second side reaches the threshold on `split`, in `budget` times what the reference takes.

    Refuted by a single run that does: the claim leaves no room for it. Reproduced once so many runs have trained for
    the whole budget in vain that, if half of all runs would grok by then, it would be chance at `alpha` (5 at .05). The
    budget is a factor of the median time of the reference in the same stratum; where the reference has not grokked
    itself, it sets none.
    """

    VERSION: ClassVar[int] = 1

    kind: Literal["never_groks"] = "never_groks"
    split: str
    definition: Definition = "sustained"
    budget: float = Field(3.0, description="in median times of the reference; LLaMA took 3 times as long as GPT-2")
    reference: str | None = Field(
        None, description="the reference is the first side on `split`, or the same runs on the split named here"
    )

    def judge(self, factor: Factor, strata: Sequence[Stratum], alpha: float) -> Finding:
        grokked = vain = short = 0
        budgets: list[float] = []
        without_reference = 0
        for stratum in strata:
            judged = [run for run in self._judged(stratum) if self.split in run.evaluation.held_out]
            limit = self._limit(stratum)
            without_reference += limit is None
            budgets += [] if limit is None else [limit]
            for run, time in zip(judged, times_of(judged, self.split, self.definition), strict=True):
                if not time.censored:
                    grokked += 1
                elif limit is not None and follow_up(run) >= limit:
                    vain += 1
                else:
                    short += 1
        return self._finding(grokked, vain, short, budgets, without_reference, alpha)

    def _judged(self, stratum: Stratum) -> list[RunRecord]:
        top = stratum.levels[-1]
        return [run for member in stratum.members if member.level == top for run in member.group.runs]

    def _limit(self, stratum: Stratum) -> float | None:
        """The budget in this stratum, from the median time of its reference."""
        if self.reference is None and len(stratum.levels) < 2:
            return None
        low = stratum.levels[0]
        split = self.reference or self.split
        reference = [run for member in stratum.members if member.level == low for run in member.group.runs]
        reference = [run for run in reference if split in run.evaluation.held_out]
        if not reference:
            return None
        middle = median_time(times_of(reference, split, self.definition))
        return None if middle.censored else self.budget * middle.step

    def _finding(
        self, grokked: int, vain: int, short: int, budgets: Sequence[float], without: int, alpha: float
    ) -> Finding:
        numbers: dict[str, Number] = {
            "grokked": grokked,
            "trained_in_vain": vain,
            "too_short": short,
            "budget_steps": max(budgets) if budgets else None,
        }
        if grokked:
            told = f"{grokked} of {runs(grokked + vain + short)} reached the threshold on {self.split} all the same"
            return Finding("refuted", told, numbers)
        limit = f"{steps(max(budgets))}, {self.budget:g} times what the reference takes" if budgets else "its budget"
        p = upper_tail(vain, vain)
        told = f"none of {runs(vain)} reached the threshold on {self.split} within {limit}"
        if not vain:
            told = f"no run has trained for {limit}, to tell whether it reaches the threshold on {self.split}"
        elif short:
            told += f"; {runs(short)} too short to tell"
        if vain and p <= alpha:
            return Finding("reproduced", f"{told}: it holds up to that budget", numbers, p)
        needs = []
        if without and not budgets:
            told = f"there is no reference that reached the threshold itself: {runs(vain + short)} alone say little"
            needs.append("a reference that groks in the same setting")
        more = more_runs(vain, 0, alpha)
        if short and budgets:
            needs.append(f"a budget of {steps(max(budgets))} for {runs(min(short, more))}")
        if more > short:
            needs.append(seeds(more - short))
        return Finding("underpowered", told, numbers, p, tuple(needs))
