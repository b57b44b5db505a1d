"""Held-out accuracy peaks early, dips, and groks much later."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.factors import Factor
from grokcore.claims.predicates.finding import Finding
from grokcore.claims.predicates.grokking import outcome_of
from grokcore.claims.predicates.shares import Answer, most, together
from grokcore.claims.units import units_of
from grokcore.evaluation.watch import behaviour_of

if TYPE_CHECKING:
    from grokcore.claims.strata import Stratum
    from grokcore.runs.record import RunRecord


class PeaksEarly(Part):
    """Most units have an early peak and a dip on `split` (`peak_and_dip`), and grok after the dip.

    A run without such a peak counts as one that does not once it has reached the threshold, or has trained `patience`
    times as long as it took to memorize; one that has peaked and dipped tells nothing until it groks or that time is
    over.
    """

    VERSION: ClassVar[int] = 2

    kind: Literal["peaks_early"] = "peaks_early"
    split: str
    patience: float = Field(50.0, description="in times to memorize")

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> Finding:
        answers = [together([self._answer(run) for run in unit.runs]) for unit in units_of(stratum, self.split)]
        what = f"peak early on {self.split}, dip, and then grok"
        return most(answers, what, alpha, f"a budget of {self.patience:g} times the steps to memorize")

    def _answer(self, run: RunRecord) -> Answer:
        trained, reached = run.evaluation.memorized.sustained, run.evaluation.held_out[self.split].sustained
        if reached is not None:
            dip = behaviour_of(run, self.split).dip_step
            late = outcome_of(run, self.split) == "grokked"
            return "yes" if late and dip is not None and reached.steps > dip else "no"
        long_enough = trained is not None and run.evaluation.censored_at >= self.patience * trained.steps
        return "no" if long_enough or run.evaluation.diverged else "open"
