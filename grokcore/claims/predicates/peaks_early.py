"""Held-out accuracy peaks early, dips, and groks much later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.factors import Factor
from grokcore.claims.predicates.finding import Finding
from grokcore.claims.predicates.shares import Answer, most
from grokcore.evaluation.watch import behaviour_of

if TYPE_CHECKING:
    from grokcore.claims.strata import Stratum
    from grokcore.evaluation.records import RunRecord


class PeaksEarly(Part):
    """Most runs have an early peak and a dip on `split` (`peak_and_dip`), and reach the threshold after the dip.

    A run without such a peak counts as one that does not once it has grokked, or has trained `patience` times as long
    as it took to memorise; one that has peaked and dipped tells nothing until it groks or that time is over.
    """

    VERSION: ClassVar[int] = 1

    kind: Literal["peaks_early"] = "peaks_early"
    split: str
    patience: float = Field(50.0, description="in times to memorise")

    def judge(self, factor: Factor, strata: Sequence[Stratum], alpha: float) -> Finding:
        answers = [
            self._answer(run)
            for stratum in strata
            for member in stratum.members
            for run in member.group.runs
            if self.split in run.evaluation.held_out
        ]
        what = f"peak early on {self.split}, dip, and then reach the threshold"
        return most(answers, what, alpha, f"a budget of {self.patience:g} times the steps to memorise")

    def _answer(self, run: RunRecord) -> Answer:
        trained, grokked = run.evaluation.memorized.sustained, run.evaluation.held_out[self.split].sustained
        dip = behaviour_of(run, self.split).dip_step
        if grokked is not None:
            return "yes" if dip is not None and grokked.steps > dip else "no"
        long_enough = trained is not None and run.evaluation.censored_at >= self.patience * trained.steps
        return "no" if long_enough or run.evaluation.diverged else "open"
