"""What has been learnt is lost again, more than once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.factors import Factor
from grokcore.claims.predicates.finding import Finding, seeds, units
from grokcore.claims.predicates.shares import Answer, most, together
from grokcore.claims.units import units_of
from grokcore.evaluation.watch import behaviour_of

if TYPE_CHECKING:
    from grokcore.claims.strata import Stratum
    from grokcore.runs.record import RunRecord


class IsUnstable(Part):
    """On the second side, accuracy on `split` falls again and again once it has been high (`is_unstable`).

    Supported if most units of the second side do so, and more of them than of the reference, by Fisher's exact test
    (both at `alpha`: an intersection-union test). Contradicted if most do not; or if most of the reference do the same,
    which is then nothing that the second side is to be blamed for. A run in which it does not, counts once it has
    trained `patience` times as long as it took to memorize.
    """

    VERSION: ClassVar[int] = 2

    kind: Literal["is_unstable"] = "is_unstable"
    split: str
    patience: float = Field(10.0, description="in times to memorize; in the thesis it lasted for 40")

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> Finding:
        first, second = (
            [together([self._answer(run) for run in unit.runs]) for unit in units_of(stratum, self.split, level=level)]
            for level in (stratum.levels[0], stratum.levels[-1])
        )
        wait = f"a budget of {self.patience:g} times the steps to memorize"
        found = most(second, f"lose accuracy on {self.split} again and again", alpha, wait)
        reference = most(first, "", alpha, "")
        yes = [side.count("yes") for side in (first, second)]
        told = [len(side) - side.count("open") for side in (first, second)]
        p_more = fisher(yes[1], told[1], yes[0], told[0])
        beside = f"; so do {yes[0]} of {units(told[0])} of the reference" if told[0] else ""
        numbers = {**found.numbers, "reference_yes": yes[0], "reference_no": told[0] - yes[0], "p_more": p_more}
        sentence = found.sentence + beside
        p = max(found.p or 0.0, p_more)
        decidable = found.decidable and fisher(len(second), len(second), 0, len(first)) <= alpha
        if found.decision != "supported":
            return Finding(found.decision, sentence, numbers, found.p, found.needs, decidable)
        if reference.decision == "supported":
            return Finding("contradicted", sentence, numbers, found.p)
        if p_more <= alpha:
            return Finding("supported", sentence, numbers, p)
        need = f"{seeds(_missing(yes[1], told[1], yes[0], told[0], alpha))} of the reference, if they answer as it does"
        return Finding("undecided", sentence, numbers, p, (need,), decidable)

    def _answer(self, run: RunRecord) -> Answer:
        if behaviour_of(run, self.split).unstable:
            return "yes"
        trained = run.evaluation.memorized.sustained
        return "no" if trained is not None and run.evaluation.step >= self.patience * trained.steps else "open"


def fisher(yes: int, number: int, other_yes: int, other: int) -> float:
    """One-sided p of as many yes among `number` as seen, if it is a random part of both groups (Fisher 1935)."""
    total, all_yes = number + other, yes + other_yes
    ways = sum(
        math.comb(all_yes, count) * math.comb(total - all_yes, number - count)
        for count in range(yes, min(number, all_yes) + 1)
    )
    return ways / math.comb(total, number)


def _missing(yes: int, number: int, other_yes: int, other: int, alpha: float) -> int:
    """Further units of the reference that decide, if the share of yes stays; at most 99, for shares that are alike."""
    share = other_yes / other if other else 0.0
    for more in range(1, 99):
        if fisher(yes, number, round(share * (other + more)), other + more) <= alpha:
            return more
    return 99
